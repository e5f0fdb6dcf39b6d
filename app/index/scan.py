"""Search of a small index in memory: the questions that wait are compared with all vectors, in 8 bits, in one product.

The products are integers, so that what is found for a question does not depend on what is asked beside it. The ranking
compares what is found anew, exactly.
"""

from collections.abc import Sequence

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.index.candidates import Question
from app.index.postings import Postings
from app.index.vector_file import VectorFile
from app.index.words import WordTokenizer

LIMIT = 100_000  # vectors; of more, a graph is faster: see benchmarks.growth
BLOCK = 4_096  # vectors brought to 8 bits at a time


class Scan:
    """All vectors and words of an index."""

    def __init__(self, rows: VectorFile, postings: Postings, tokenizer: WordTokenizer) -> None:
        self._postings = postings
        self._tokenizer = tokenizer
        blocks = [_in_8_bits(rows.vectors[start : start + BLOCK]) for start in range(0, len(rows.vectors), BLOCK)]
        self._vectors = numkong.dots_pack(np.concatenate([whole for whole, _ in blocks]))
        self._scales = np.concatenate([scales for _, scales in blocks])
        starts, ends = rows.bounds[:, :3].ravel(), rows.bounds[:, 1:].ravel()  # answer, phrasings, negatives of each
        filled = np.flatnonzero(ends > starts)
        self._starts = starts[filled]
        entries, kinds = np.divmod(filled, 3)
        sides = (np.flatnonzero(kinds == kind) for kind in (0, 1))
        self._sides = [(places, entries[places]) for places in sides if len(places)]

    def nearest(
        self, questions: Sequence[Question], limits: Sequence[int], also: Sequence[Sequence[int]] | None = None
    ) -> list[dict[int, float]]:
        """The best entries of each question by answer, by phrasing and by words, as many of each as its limit says.

        `also`: for each question entries that are returned in any case. With them goes the BM25 of each.
        """
        whole, _ = _in_8_bits(np.stack([one.vector for one in questions]))
        best = np.asarray(numkong.dots_packed(whole, self._vectors)) * self._scales  # (questions, vectors)
        if len(self._starts) < len(self._scales):
            best = np.maximum.reduceat(best, self._starts, axis=1)  # (questions, answers and phrasings and negatives)
        also = also or [()] * len(questions)
        return [self._found(*one) for one in zip(questions, best, limits, also, strict=True)]

    def _found(self, question: Question, best: Vectors, limit: int, also: Sequence[int]) -> dict[int, float]:
        words = self._postings.scores(self._tokenizer.question(question.text))
        entries = [entries[_top(best[places], limit)] for places, entries in self._sides]
        with_words = np.flatnonzero(words)
        entries.append(with_words[_top(words[with_words], limit)])
        found = np.unique(np.concatenate([*entries, np.array(also, dtype=np.int64)]))
        return dict(zip(found.tolist(), words[found].tolist(), strict=True))


def _in_8_bits(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """Integers, (n, dimension), and what one of each row is worth, (n,)."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _top(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """The places of the greatest, in no order."""
    return np.argpartition(scores, -limit)[-limit:] if limit < len(scores) else np.arange(len(scores))
