"""Exhaustive search of few vectors: one product of integers compares waiting questions with all of them, in 8 bits."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numkong
import numpy as np

from app.arrays import Flags, Integers, Vectors
from app.index.nearest import Nearest, in_8_bits, top

BLOCK = 4_096  # vectors that are quantised at a time


class Side(NamedTuple):
    """The answers or the phrasings of entries: their places among the groups of vectors, and the entry of each."""

    places: Integers
    entries: Integers


class Packed:
    """The vectors of some entries in memory, packed as `numkong` multiplies them; see `Part`."""

    def __init__(self, bounds: Integers, blocks: Iterable[Vectors]) -> None:
        """`bounds`: as `VectorFile.bounds`, (entries, 4). `blocks`: all rows of vectors, in order."""
        quantised = [in_8_bits(block) for block in blocks]
        self._scales = np.concatenate([np.empty(0, dtype=np.float32), *(scales for _, scales in quantised)])
        self._vectors = numkong.dots_pack(np.concatenate([rows for rows, _ in quantised])) if quantised else None
        starts, ends = bounds[:, :3].ravel(), bounds[:, 1:].ravel()  # answer, phrasings, negatives of each
        filled = np.flatnonzero(ends > starts)
        self._starts = starts[filled]
        entries, kinds = np.divmod(filled, 3)
        self.entries = len(bounds)
        self._sides = [Side(places, entries[places]) for places in (np.flatnonzero(kinds == kind) for kind in (0, 1))]

    def compare(self, questions: Vectors) -> "Sequence[PackedRow]":
        """As `Part.compare`."""
        return [PackedRow(self._sides, row) for row in self._similarities(questions)]

    def _similarities(self, questions: Vectors) -> Vectors:
        """To each answer, set of phrasings and set of negatives: (questions, groups)."""
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
        if allowed is not None:
            shown = allowed[entries]
            places, entries = places[shown], entries[shown]
        scores = self.similarities[places]
        best = top(scores, limit)
        return Nearest(entries[best], scores[best])
