"""What an index is asked, and what it finds."""

from typing import Any, NamedTuple

from app.arrays import Vectors


class Match(NamedTuple):
    """How the keys of an entry match those of a question; see `index.lookup`."""

    same: bool = False  # a phrasing is the question
    folded: bool = False  # once accents are folded
    excluded: bool = False  # a negative is the question
    identifiers: frozenset[str] = frozenset()  # the question's, as far as the entry holds them


NO_MATCH = Match()


class Question(NamedTuple):
    """What is asked: its text, its vector, (dimension,), and its identifiers; `IndexRecord.question` makes it."""

    text: str
    vector: Vectors
    identifiers: frozenset[str] = frozenset()  # without those that too many entries hold


class Candidate(NamedTuple):
    """An entry that the index found: what an answer needs, its vectors, and how it fits the question."""

    id: str
    payload: dict[str, Any]  # question, phrasings, negatives, answer, metadata
    answer: Vectors  # (windows, dimension), at least one
    questions: Vectors  # (phrasings, dimension), possibly none
    negatives: Vectors  # (negatives, dimension), possibly none
    lexical: float = 0.0  # BM25
    match: Match = NO_MATCH
