"""What a search of vectors returns: entries and their similarities."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Integers, Vectors

MANY, STRIDE = 16_384, 16  # scores from which few are selected by a bound; every STRIDE-th of them is in the sample


class Nearest(NamedTuple):
    """Entries in no order, each with the similarity of the nearest of its vectors."""

    entries: Integers
    scores: Vectors


class Compared(Protocol):
    """One question, compared with the vectors of some entries."""

    def nearest(self, side: int, limit: int, allowed: Flags | None = None) -> Nearest:
        """The best `limit` entries by answer, `side` 0, or by phrasing, `side` 1.

        `allowed`: the entries that may be returned, (entries,); None: all.
        """


class Part(Protocol):
    """The vectors of some entries, numbered from 0. Threads may share it."""

    entries: int

    def compare(self, questions: Vectors) -> Sequence[Compared]:
        """Compare questions, (questions, dimension), with all entries."""


def top(scores: NDArray[np.float32] | NDArray[np.int32], limit: int) -> NDArray[np.intp]:
    """The positions of the `limit` greatest, in no order."""
    if limit >= len(scores):
        return np.arange(len(scores))
    if len(scores) > MANY:
        likely = np.flatnonzero(scores >= _likely_bound(scores, limit))
        if limit <= len(likely) < len(scores) // 2:
            return likely[np.argpartition(scores[likely], -limit)[-limit:]]
    return np.argpartition(scores, -limit)[-limit:]


def top_positive(scores: Vectors, limit: int) -> NDArray[np.intp]:
    """The positions of the `limit` greatest of those above 0, in no order. No score is below 0."""
    if len(scores) > MANY and (bound := _likely_bound(scores, limit)) > 0:
        likely = np.flatnonzero(scores >= bound)
        if len(likely) >= limit:
            return likely[top(scores[likely], limit)]
    positive = scores.nonzero()[0]
    return positive[top(scores[positive], limit)]


def _likely_bound(scores: NDArray[np.float32] | NDArray[np.int32], limit: int) -> float:
    """A score that about twice as many as `limit` reach; from a sample, so it may be fewer."""
    sample = scores[::STRIDE]
    above = min(len(sample), 8 + 2 * limit // STRIDE)
    return float(np.partition(sample, -above)[-above])


def best_of(parts: Sequence[Nearest], limit: int) -> Nearest:
    """The best `limit` of several results, which have no entry in common."""
    if len(parts) == 1:
        return parts[0]
    entries, scores = (np.concatenate(of_all) for of_all in zip(*parts, strict=True))
    best = top(scores, limit)
    return Nearest(entries[best], scores[best])


def in_8_bits(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """The vectors quantised to integers, (n, dimension), and the scale of each row, (n,)."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)
