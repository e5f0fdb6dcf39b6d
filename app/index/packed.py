"""Exhaustive search of few vectors: one product of integers compares waiting questions with all of them, in 8 bits."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numkong
import numpy as np

from app.arrays import Flags, Integers, Vectors
from app.index.nearest import Nearest, in_8_bits, top

BLOCK = 4_096  # vectors that are quantised at a time


class Side(NamedTuple):
    """The answers or the phrasings of entries: where their similarities are, and the entry of each."""

    places: slice
    entries: Integers


class Packed:
    """The answers and the phrasings of some entries in memory, packed as `numkong` multiplies them; see `Part`."""

    def __init__(self, bounds: Integers, blocks: Iterable[Vectors]) -> None:
        """`bounds`: as `VectorFile.bounds`, (entries, 4). `blocks`: all rows of vectors, in order."""
        quantised = [in_8_bits(block) for block in blocks]
        self.entries = len(bounds)
        counts = np.diff(bounds)[:, :2].T  # of answers, and of phrasings
        answers, phrasings = (np.flatnonzero(of_side) for of_side in counts)
        rows = np.concatenate([_rows(bounds[:, side], of_side) for side, of_side in enumerate(counts)])
        sizes = np.concatenate([counts[0][answers], counts[1][phrasings]])
        self._starts = np.cumsum(sizes) - sizes
        self._scales = np.concatenate([np.empty(0, dtype=np.float32), *(scales for _, scales in quantised)])[rows]
        self._vectors = numkong.dots_pack(np.concatenate([of for of, _ in quantised])[rows]) if len(rows) else None
        self._sides = [
            Side(slice(0, len(answers)), answers),
            Side(slice(len(answers), len(sizes)), phrasings),
        ]

    def compare(self, questions: Vectors) -> "Sequence[PackedRow]":
        """As `Part.compare`."""
        return [PackedRow(self._sides, row) for row in self._similarities(questions)]

    def _similarities(self, questions: Vectors) -> Vectors:
        """To the answer of each entry, and then to the phrasings of each that has any: (questions, groups)."""
        if self._vectors is None:
            return np.empty((len(questions), 0), dtype=np.float32)
        best: Vectors = np.asarray(numkong.dots_packed(in_8_bits(questions)[0], self._vectors)) * self._scales
        return np.maximum.reduceat(best, self._starts, axis=1) if len(self._starts) < len(self._scales) else best


class PackedRow(NamedTuple):
    """One question, compared with all vectors; see `Compared`."""

    sides: Sequence[Side]
    similarities: Vectors  # (groups,)

    def nearest(self, side: int, limit: int, allowed: Flags | None = None) -> Nearest:
        """As `Compared.nearest`."""
        places, entries = self.sides[side]
        scores = self.similarities[places]
        if allowed is not None:
            shown = allowed[entries]
            scores, entries = scores[shown], entries[shown]
        best = top(scores, limit)
        return Nearest(entries[best], scores[best])


def _rows(starts: Integers, counts: Integers) -> Integers:
    """So many rows from each start on."""
    return np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)
