"""How near the vectors of entries are to a question, exactly."""

from typing import NamedTuple, Self

import numpy as np

from app.arrays import Floats, Integers, Vectors


class Nearness(NamedTuple):
    """The similarity of a question to the best vector of each kind of each entry, (entries,); -inf without a vector."""

    answer: Floats
    phrasing: Floats
    negative: Floats
    matched: Integers  # index of the best phrasing; -1 where there is none

    @classmethod
    def of(cls, vectors: Vectors, sizes: Integers, question: Vectors) -> Self:
        """Of the vectors of entries, (rows, dimension), one entry after the other; each has windows of its answer,
        phrasings and negatives.

        `sizes`: how many each entry has of each, (entries, 3). `question`: (dimension,).
        """
        similarity, counts = vectors @ question, sizes.ravel()
        best = np.full(len(counts), -np.inf)
        filled = counts.nonzero()[0]
        if len(filled):
            starts = (counts.cumsum() - counts)[filled]
            best[filled] = np.maximum.reduceat(similarity, starts)
        matched = _best_phrasings(similarity, sizes, best[1::3])
        return cls(best[::3], best[1::3], best[2::3], matched)

    def joined(self, other: "Nearness") -> "Nearness":
        """Of these entries, and then of others."""
        return Nearness(*(np.concatenate(columns) for columns in zip(self, other, strict=True)))

    def take(self, places: Integers) -> "Nearness":
        """Of some of the entries."""
        return Nearness(self.answer[places], self.phrasing[places], self.negative[places], self.matched[places])


def _best_phrasings(similarity: Vectors, sizes: Integers, best: Floats) -> Integers:
    """The index of the first phrasing of each entry that is as near as its best, (entries,); -1 where there is none."""
    phrasings = sizes[:, 1]
    if phrasings.max(initial=0) <= 1:
        return phrasings - 1
    ends = sizes.sum(axis=1).cumsum()
    entries = np.repeat(np.arange(len(sizes)), phrasings)
    numbers = np.arange(len(entries)) - (phrasings.cumsum() - phrasings)[entries]
    rows = (ends - sizes[:, 1] - sizes[:, 2])[entries] + numbers
    matched = np.full(len(sizes), -1, dtype=np.int64)
    equal = (similarity[rows] == best[entries]).nonzero()[0][::-1]  # the first of an entry is written last
    matched[entries[equal]] = numbers[equal]
    return matched
