"""How near the vectors of entries are to a question, exactly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors


class Near(NamedTuple):
    """The similarity of a question to the best vector of each kind of an entry; minus infinity where there is none."""

    answer: float
    phrasing: float
    negative: float
    matched: int  # index of the best phrasing; -1 where there is none


def best_of_groups(similarity: Vectors, counts: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.int64]]:
    """The greatest similarity of each group, and its index in the group, (groups,) both; -inf and -1 for an empty one.

    `similarity`: of all groups, one after the other; `counts`: how many each group has.
    """
    best, which = np.full(len(counts), -np.inf, dtype=np.float32), np.full(len(counts), -1, dtype=np.int64)
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    starts = np.cumsum(counts) - counts
    best[filled] = np.maximum.reduceat(similarity, starts)
    equal = np.flatnonzero(similarity == np.repeat(best[filled], counts))
    which[filled] = equal[np.searchsorted(equal, starts)] - starts  # the first of equally good ones
    return best, which
