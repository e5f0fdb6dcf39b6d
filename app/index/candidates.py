"""The question that an index is searched for, and an entry with its vectors."""

from typing import Any, NamedTuple

from app.arrays import Vectors


class Question(NamedTuple):
    """A question: its text, its vector, (dimension,), and its identifiers. `IndexRecord.question` makes it."""

    text: str
    vector: Vectors
    identifiers: frozenset[str] = frozenset()  # without those that too many entries hold


class Candidate(NamedTuple):
    """An entry of an index: its payload and its vectors."""

    id: str
    payload: dict[str, Any]  # question, phrasings, negatives, answer, metadata
    answer: Vectors  # (windows, dimension), at least one
    questions: Vectors  # (phrasings, dimension), possibly none
    negatives: Vectors  # (negatives, dimension), possibly none
    digest: str = ""  # of the entry; given to an index that is written, not returned by a search
