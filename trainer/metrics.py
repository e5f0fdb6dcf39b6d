"""Ranking metrics, from the ranks of what is relevant. Knows no model.

All of them follow from the places at which the relevant entries stand, so no ranking is ever sorted or kept whole.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 3, 5, 10)


def ranks(scores: NDArray[np.float32], relevant: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places (1 is best), ascending, of the `relevant` positions in `scores` (entries,); ties in given order."""
    found = []
    for position in relevant:
        score = scores[position]
        found.append(1 + int((scores > score).sum()) + int((scores[:position] == score).sum()))
    return np.sort(np.array(found, dtype=np.int64))


def summarize(ranked: Sequence[NDArray[np.int64]]) -> dict[str, float]:
    """The means over queries of precision@1, MRR, recall@k and nDCG@k; `ranked` is what `ranks` gave for each."""
    if not ranked:
        return {}
    figures = {
        "precision@1": np.mean([float(one[0] == 1) for one in ranked]),
        "mrr": np.mean([1.0 / one[0] for one in ranked]),
    }
    for k in CUTOFFS[1:]:
        figures[f"recall@{k}"] = np.mean([(one <= k).mean() for one in ranked])
    for k in CUTOFFS[1:]:
        figures[f"ndcg@{k}"] = np.mean([_ndcg(one, k) for one in ranked])
    return {name: float(value) for name, value in figures.items()}


def _ndcg(places: NDArray[np.int64], k: int) -> float:
    gained = (1 / np.log2(1 + places[places <= k])).sum()
    ideal = (1 / np.log2(1 + np.arange(1, 1 + min(k, len(places))))).sum()
    return float(gained / ideal)
