"""The question that an index is searched for, and the entries that it returns."""

from typing import Any, NamedTuple

from app.arrays import Vectors
from app.index.nearness import Near


class Match(NamedTuple):
    """How the lookup keys of an entry match those of a question; see `index.lookup`."""

    same: bool = False  # a phrasing is the question
    folded: bool = False  # a phrasing is the question when accents are ignored
    excluded: bool = False  # a negative is the question
    identifiers: frozenset[str] = frozenset()  # the identifiers of the question that the entry holds


NO_MATCH = Match()


class Question(NamedTuple):
    """A question: its text, its vector, (dimension,), and its identifiers. `IndexRecord.question` makes it."""

    text: str
    vector: Vectors
    identifiers: frozenset[str] = frozenset()  # without those that too many entries hold


class Candidate(NamedTuple):
    """An entry from an index: its payload, its vectors, its BM25 score and how its keys match the question.

    `near` is None where the similarities are to be computed from the vectors; give it up where vectors are replaced.
    """

    id: str
    payload: dict[str, Any]  # question, phrasings, negatives, answer, metadata
    answer: Vectors  # (windows, dimension), at least one
    questions: Vectors  # (phrasings, dimension), possibly none
    negatives: Vectors  # (negatives, dimension), possibly none
    lexical: float = 0.0  # BM25
    match: Match = NO_MATCH
    near: Near | None = None  # to the question
    digest: str = ""  # of the entry; given to an index that is written, not returned by a search
