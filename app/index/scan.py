"""Exhaustive search of a small index: one matrix product compares waiting questions with all vectors in 8 bits.

The products are integers, so the result for a question does not depend on the questions beside it. The ranking
compares the entries of the result again, in full precision.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.index.candidates import Question
from app.index.postings import Postings
from app.index.words import WordTokenizer

LIMIT = 100_000  # vectors; a graph is faster for more: see benchmarks.growth
BLOCK = 4_096  # vectors that are quantised at a time

Numbers = NDArray[np.int64]  # of entries


class Side(NamedTuple):
    """The answers or the phrasings of entries: their places among the groups of a part, and the entry of each."""

    places: Numbers
    entries: Numbers


class Part:
    """The vectors and words of some entries, in memory."""

    def __init__(self, bounds: Numbers, blocks: Iterable[Vectors], postings: Postings) -> None:
        """`bounds`: as `VectorFile.bounds`, (entries, 4). `blocks`: all rows of vectors, in order."""
        quantised = [in_8_bits(block) for block in blocks]
        self._vectors = numkong.dots_pack(np.concatenate([integers for integers, _ in quantised]))
        self._scales = np.concatenate([scales for _, scales in quantised])
        starts, ends = bounds[:, :3].ravel(), bounds[:, 1:].ravel()  # answer, phrasings, negatives of each
        filled = np.flatnonzero(ends > starts)
        self._starts = starts[filled]
        entries, kinds = np.divmod(filled, 3)
        self.entries, self.groups, self.postings = len(bounds), len(filled), postings
        self.answers, self.phrasings = (
            Side(places, entries[places]) for places in (np.flatnonzero(kinds == kind) for kind in (0, 1))
        )

    def similarities(self, integers: NDArray[np.int8]) -> Vectors:
        """Of questions, (questions, dimension) in 8 bits, to the groups of vectors: (questions, groups)."""
        best: Vectors = np.asarray(numkong.dots_packed(integers, self._vectors)) * self._scales
        return np.maximum.reduceat(best, self._starts, axis=1) if len(self._starts) < len(self._scales) else best


class Scan:
    """Parts as one index: their entries are numbered through, and some of these are hidden."""

    def __init__(self, parts: Sequence[Part], tokenizer: WordTokenizer, hidden: Collection[int] = ()) -> None:
        """`hidden`: numbers of entries that are not found."""
        self._parts = parts
        self._tokenizer = tokenizer
        self._hidden: Numbers = np.array(sorted(hidden), dtype=np.int64)
        self._answers = self._side([part.answers for part in parts])
        self._sides = [side for side in (self._answers, self._side([part.phrasings for part in parts])) if len(side[0])]

    def _side(self, sides: Sequence[Side]) -> Side:
        """One side of all parts, without the hidden entries."""
        groups = np.cumsum([0, *(part.groups for part in self._parts)])
        entries = np.cumsum([0, *(part.entries for part in self._parts)])
        places = np.concatenate([side.places + first for side, first in zip(sides, groups, strict=False)])
        numbers = np.concatenate([side.entries + first for side, first in zip(sides, entries, strict=False)])
        if not len(self._hidden):
            return Side(places, numbers)
        shown = ~np.isin(numbers, self._hidden)
        return Side(places[shown], numbers[shown])

    def nearest(
        self,
        questions: Sequence[Question],
        limits: Sequence[int],
        groups: Sequence[Sequence[Sequence[int]]] | None = None,
    ) -> list[dict[int, float]]:
        """For each question the best entries by answer, by phrasing and by words, with the BM25 score of each.

        `limits`: how many of each of the three kinds, for each question. `groups`: for each question groups of entries,
        of each of which all are returned, or as many as the limit says, the best by answer. None of them is hidden.
        """
        integers, _ = in_8_bits(np.stack([question.vector for question in questions]))
        similarities = [part.similarities(integers) for part in self._parts]
        best = similarities[0] if len(similarities) == 1 else np.concatenate(similarities, axis=1)
        groups = groups or [()] * len(questions)
        return [self._best_entries(*row) for row in zip(questions, best, limits, groups, strict=True)]

    def _best_entries(
        self, question: Question, best: Vectors, limit: int, groups: Sequence[Sequence[int]]
    ) -> dict[int, float]:
        """`best`: the similarity of each answer, set of phrasings and set of negatives."""
        words = self._tokenizer.question(question.text)
        lexical = np.concatenate([part.postings.scores(words) for part in self._parts])
        lexical[self._hidden] = 0
        entries = [side.entries[top(best[side.places], limit)] for side in self._sides]
        with_words = np.flatnonzero(lexical)
        entries.append(with_words[top(lexical[with_words], limit)])
        entries += [self._best_of(np.array(group, dtype=np.int64), best, limit) for group in groups]
        chosen = np.unique(np.concatenate(entries))
        return dict(zip(chosen.tolist(), lexical[chosen].tolist(), strict=True))

    def _best_of(self, group: Numbers, best: Vectors, limit: int) -> Numbers:
        if len(group) <= limit:
            return group
        places = self._answers.places[np.searchsorted(self._answers.entries, group)]  # every entry has an answer
        return group[top(best[places], limit)]


def in_8_bits(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """The vectors quantised to integers, (n, dimension), and the scale of each row, (n,)."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def top(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """The positions of the `limit` greatest, in no order."""
    return np.argpartition(scores, -limit)[-limit:] if limit < len(scores) else np.arange(len(scores))
