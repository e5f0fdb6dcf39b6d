"""What a process keeps of the points of a Qdrant server, and the hits that it makes of them.

A row is all of a point that never changes: its entry, vectors and words. `until` is left out, because an increment may
add it later; the server filters by it before a row is read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats, Vectors
from app.index.candidates import Candidate
from app.index.hits import Entries, Hits, Payload, Source, answer_key
from app.index.lookup import QuestionKeys, match_of
from app.index.memory import memory_bytes
from app.index.nearness import Nearness
from app.index.points import entry_of, keys_in
from app.index.protocol import ANSWER, NEGATIVES, QUESTIONS
from app.index.words import Sparse

OBJECTS_BYTES = 800  # of a row's tuple, arrays and place in the cache, without their contents


class Row(NamedTuple):
    """A point. Half precision halves its memory, and changes a similarity by less than 0.0005."""

    payload: dict[str, Any]
    keys: Sequence[str]
    vectors: NDArray[np.float16]  # (windows + phrasings + negatives, dimension)
    ends: tuple[int, int]  # where the windows of the answer end in `vectors`, and where the phrasings end
    words: NDArray[np.uint32]  # the hashes of its words, (words,)
    weights: NDArray[np.float32]  # of the words in BM25, without inverse document frequencies, (words,)
    answer: int  # of `answer_key`

    @classmethod
    def of(cls, payload: Mapping[str, Any], vectors: Mapping[str, Any], words: Any, weights: Any) -> Self:  # noqa: ANN401 - either library's numbers
        """`payload` and `vectors`: of the stored point; numbers of any type."""
        groups = [np.asarray(vectors[name]) for name in (ANSWER, QUESTIONS, NEGATIVES) if name in vectors]
        windows = len(vectors[ANSWER])
        own = entry_of(payload)
        return cls(
            own,
            keys_in(payload),
            np.concatenate(groups).astype(np.float16),
            (windows, windows + len(vectors.get(QUESTIONS, ()))),
            np.array(words, dtype=np.uint32),
            np.array(weights, dtype=np.float32),
            answer_key(own),
        )

    @property
    def entry(self) -> Candidate:
        """Its entry, with the vectors in single precision."""
        answer, questions, negatives = np.split(np.asarray(numkong.astype(self.vectors, "float32")), self.ends)
        return Candidate(self.payload["id"], self.payload, answer, questions, negatives)

    @property
    def size(self) -> int:
        """The bytes that it takes in memory."""
        arrays = self.vectors.nbytes + self.words.nbytes + self.weights.nbytes
        return OBJECTS_BYTES + arrays + memory_bytes(self.payload) + memory_bytes(self.keys)


class RowEntries:
    """The entries of rows, numbered from 0; see `Source`."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def payloads(self, numbers: Sequence[int]) -> list[Payload]:
        """As `Source.payloads`."""
        return [self._rows[number].payload for number in numbers]

    def entries(self, numbers: Sequence[int]) -> list[Candidate]:
        """As `Source.entries`."""
        return [self._rows[number].entry for number in numbers]

    def kept(self, numbers: Sequence[int]) -> tuple[Source, int]:
        """As `Source.kept`."""
        return Entries.without_vectors(dict(zip(numbers, self.payloads(numbers), strict=True)))


def hits_of(rows: Sequence[Row], question: Vectors, words: Sparse, wanted: QuestionKeys) -> Hits:
    """The entries of rows, with their BM25 scores and how their keys match those of the question, (dimension,).

    `words`: of the question, each weighted with its inverse document frequency.
    """
    halves = [np.empty((0, len(question)), dtype=np.float16), *(row.vectors for row in rows)]
    vectors: Vectors = np.asarray(numkong.astype(np.concatenate(halves), "float32"))
    bounds = np.array([(0, *row.ends, len(row.vectors)) for row in rows], dtype=np.int64).reshape(-1, 4)
    keys = wanted.phrasings | wanted.negative | wanted.identifiers.keys()
    return Hits(
        RowEntries(rows),
        np.arange(len(rows)),
        np.array([row.answer for row in rows], dtype=np.int64),
        Nearness.of(vectors, np.diff(bounds), question),
        bm25(rows, words),
        {place: match_of(wanted, row.keys) for place, row in enumerate(rows) if not keys.isdisjoint(row.keys)},
    )


def bm25(rows: Sequence[Row], question: Sparse) -> Floats:
    """The BM25 score of each row, (rows,). The question's words are in ascending order, as `WordTokenizer` has them."""
    if not question.indices or not rows:
        return np.zeros(len(rows))
    asked: NDArray[np.uint32] = np.array(question.indices, dtype=np.uint32)
    words = np.concatenate([row.words for row in rows])
    places = np.minimum(np.searchsorted(asked, words), len(asked) - 1)
    shared = np.flatnonzero(asked[places] == words)
    weights: Vectors = np.concatenate([row.weights for row in rows])[shared]
    of_row = np.repeat(np.arange(len(rows)), [len(row.words) for row in rows])[shared]
    scores = np.zeros(len(rows))
    np.add.at(scores, of_row, weights * np.array(question.values)[places[shared]])
    return scores
