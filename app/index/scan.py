"""Exhaustive search of a small index: one matrix product compares waiting questions with all vectors in 8 bits.

The products are integers, so the result for a question does not depend on the questions beside it. The ranking
compares the entries of the result again, in full precision.
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

LIMIT = 100_000  # vectors; a graph is faster for more: see benchmarks.growth
BLOCK = 4_096  # vectors that are quantised at a time


class Scan:
    """All vectors and words of an index, in memory."""

    def __init__(self, file: VectorFile, postings: Postings, tokenizer: WordTokenizer) -> None:
        self._postings = postings
        self._tokenizer = tokenizer
        blocks = [_in_8_bits(file.vectors[start : start + BLOCK]) for start in range(0, len(file.vectors), BLOCK)]
        self._vectors = numkong.dots_pack(np.concatenate([integers for integers, _ in blocks]))
        self._scales = np.concatenate([scales for _, scales in blocks])
        starts, ends = file.bounds[:, :3].ravel(), file.bounds[:, 1:].ravel()  # answer, phrasings, negatives of each
        filled = np.flatnonzero(ends > starts)
        self._starts = starts[filled]
        entries, kinds = np.divmod(filled, 3)
        sides = (np.flatnonzero(kinds == kind) for kind in (0, 1))
        self._sides = [(places, entries[places]) for places in sides if len(places)]

    def nearest(
        self, questions: Sequence[Question], limits: Sequence[int], also: Sequence[Sequence[int]] | None = None
    ) -> list[dict[int, float]]:
        """For each question the best entries by answer, by phrasing and by words, with the BM25 score of each.

        `limits`: how many of each of the three kinds, for each question. `also`: entries to return in any case.
        """
        integers, _ = _in_8_bits(np.stack([question.vector for question in questions]))
        best = np.asarray(numkong.dots_packed(integers, self._vectors)) * self._scales  # (questions, vectors)
        if len(self._starts) < len(self._scales):
            best = np.maximum.reduceat(best, self._starts, axis=1)  # (questions, filled groups)
        also = also or [()] * len(questions)
        return [self._best_entries(*row) for row in zip(questions, best, limits, also, strict=True)]

    def _best_entries(self, question: Question, best: Vectors, limit: int, also: Sequence[int]) -> dict[int, float]:
        """`best`: the similarity of each answer, set of phrasings and set of negatives."""
        words = self._postings.scores(self._tokenizer.question(question.text))
        entries = [entries[_top(best[places], limit)] for places, entries in self._sides]
        with_words = np.flatnonzero(words)
        entries.append(with_words[_top(words[with_words], limit)])
        chosen = np.unique(np.concatenate([*entries, np.array(also, dtype=np.int64)]))
        return dict(zip(chosen.tolist(), words[chosen].tolist(), strict=True))


def _in_8_bits(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """The vectors quantised to integers, (n, dimension), and the scale of each row, (n,)."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _top(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """The positions of the `limit` greatest, in no order."""
    return np.argpartition(scores, -limit)[-limit:] if limit < len(scores) else np.arange(len(scores))
