"""What a process keeps of the points of a Qdrant server, and the candidates that it makes of them.

A row is all of a point that never changes: its entry, vectors and words. `until` is left out, because an increment may
add it later; the server filters by it before a row is read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats, Vectors
from app.index.candidates import NO_MATCH, Candidate
from app.index.lookup import QuestionKeys, match_of
from app.index.memory import memory_bytes
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

    @classmethod
    def of(cls, payload: Mapping[str, Any], vectors: Mapping[str, Any], words: Any, weights: Any) -> Self:  # noqa: ANN401 - either library's numbers
        """`payload` and `vectors`: of the stored point; numbers of any type."""
        groups = [np.asarray(vectors[name]) for name in (ANSWER, QUESTIONS, NEGATIVES) if name in vectors]
        windows = len(vectors[ANSWER])
        return cls(
            entry_of(payload),
            keys_in(payload),
            np.concatenate(groups).astype(np.float16),
            (windows, windows + len(vectors.get(QUESTIONS, ()))),
            np.array(words, dtype=np.uint32),
            np.array(weights, dtype=np.float32),
        )

    @property
    def size(self) -> int:
        """The bytes that it takes in memory."""
        arrays = self.vectors.nbytes + self.words.nbytes + self.weights.nbytes
        return OBJECTS_BYTES + arrays + memory_bytes(self.payload) + memory_bytes(self.keys)


def candidates_of(rows: Sequence[Row], words: Sparse, wanted: QuestionKeys) -> list[Candidate]:
    """The entries of rows, at least one, with their BM25 scores and how their keys match those of the question.

    `words`: of the question, each weighted with its inverse document frequency.
    """
    vectors: Vectors = np.asarray(numkong.astype(np.concatenate([row.vectors for row in rows]), "float32"))
    keys = wanted.phrasings | wanted.negative | wanted.identifiers.keys()
    candidates, start = [], 0
    for row, lexical in zip(rows, bm25(rows, words).tolist(), strict=True):
        windows, phrasings, end = start + row.ends[0], start + row.ends[1], start + len(row.vectors)
        candidates.append(
            Candidate(
                row.payload["id"],
                row.payload,
                vectors[start:windows],
                vectors[windows:phrasings],
                vectors[phrasings:end],
                lexical,
                NO_MATCH if keys.isdisjoint(row.keys) else match_of(wanted, row.keys),
            )
        )
        start = end
    return candidates


def bm25(rows: Sequence[Row], question: Sparse) -> Floats:
    """The BM25 score of each row, (rows,). The question's words are in ascending order, as `WordTokenizer` has them."""
    if not question.indices:
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
