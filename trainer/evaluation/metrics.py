"""Metrics of rankings and of confidences, defined in docs/evaluation.md.

Ranking metrics need only the ranks of the relevant entries, so no whole ranking is sorted or kept. Confidence metrics
take weights, (samples, queries): how often each query counts. One row of ones gives the figure itself, resampled rows
give its interval (`trainer.evaluation.statistics`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers

CUTOFFS = (1, 3, 5, 10, 20)
BINS = 10


def ranks(scores: NDArray[np.float32], relevant: Integers) -> Integers:
    """The ranks of the `relevant` positions by `scores`, (entries,), ascending from 1; equal scores keep their order.

    NaN ranks last.
    """
    places = []
    for position in relevant:
        score = scores[position]
        place = 1 + int((~(scores <= score)).sum()) + int((scores[:position] == score).sum())
        places.append(min(place, len(scores)))
    return np.sort(np.array(places, dtype=np.int64))


def table(ranked: Sequence[Integers]) -> dict[str, Floats]:
    """Every ranking metric, (queries,) each; `ranked` has the `ranks` of each query, at least one."""
    if not ranked:
        return {}
    counts = np.array([len(places) for places in ranked])
    places = np.concatenate(ranked)  # of all queries in turn
    owner = np.repeat(np.arange(len(ranked)), counts)
    nth = (
        1 + np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    )  # 1 for the best of its query, and so on

    def total(values: NDArray[np.generic]) -> Floats:
        return np.bincount(owner, weights=values, minlength=len(ranked)).astype(np.float64)

    metrics = {
        "precision@1": total(places == 1),
        "mrr": 1.0 / np.array([places[0] for places in ranked]),
        "average_precision": total(nth / places) / counts,
        "r_precision": total(places <= counts[owner]) / counts,
    }
    gains = 1 / np.log2(1 + np.arange(1, 1 + max(counts.max(), max(CUTOFFS))))
    for k in CUTOFFS:
        hits = total(places <= k)
        dcg = total((places <= k) / np.log2(1 + places))
        metrics |= {
            f"hit@{k}": np.minimum(hits, 1),
            f"precision@{k}": hits / k,
            f"recall@{k}": hits / counts,
            f"f1@{k}": 2 * hits / (k + counts),
            f"dcg@{k}": dcg,
            f"ndcg@{k}": dcg / np.cumsum(gains)[np.minimum(k, counts) - 1],
        }
    return metrics


def summarize(ranked: Sequence[Integers]) -> dict[str, float]:
    """The mean of each metric of `table`; empty without queries."""
    return {name: float(values.mean()) for name, values in table(ranked).items()}


def auroc(scores: Floats, positive: Flags, weights: Floats | None = None) -> Floats:
    """The area under the ROC curve, ties counting half, (samples,); NaN without a positive or without a negative."""
    order = np.argsort(scores, kind="stable")
    weights = _weights(weights, len(scores))[:, order]
    ties = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # where each run of equal scores begins
    if not len(scores):
        return np.full(len(weights), np.nan)
    of_positive = np.add.reduceat(weights * positive[order], ties, axis=1)
    of_negative = np.add.reduceat(weights * ~positive[order], ties, axis=1)
    below = np.cumsum(of_negative, axis=1) - of_negative / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((of_positive * below).sum(axis=1) / (of_positive.sum(axis=1) * of_negative.sum(axis=1)))


def coverage(confidence: Floats, right: Flags, precision: float, weights: Floats | None = None) -> Floats:
    """The largest share of queries that a threshold answers with at least that precision, (samples,)."""
    order = np.argsort(-confidence, kind="stable")
    weights = _weights(weights, len(confidence))[:, order]
    answered = np.cumsum(weights, axis=1)
    enough = np.cumsum(weights * right[order], axis=1) >= precision * answered - 1e-9
    ends = np.diff(confidence[order], append=-np.inf) != 0  # a threshold cannot separate equal confidences
    most = np.where(enough & ends, answered, 0).max(axis=1, initial=0)
    return np.asarray(most / np.maximum(1, weights.sum(axis=1)))


def threshold_at(confidence: Floats, right: Flags, precision: float) -> float:
    """The threshold with the largest `coverage`; infinite where none reaches that precision."""
    share = coverage(confidence, right, precision)[0]
    count = round(share * len(confidence))
    return float(np.sort(confidence)[::-1][count - 1]) if count else np.inf


def calibration_error(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """The expected calibration error over `bins` bins with equally many queries."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / max(1, len(confidence)))


def calibration_error_of_perfect(confidence: Floats, bins: int = BINS, samples: int = 1000, seed: int = 0) -> float:
    """The 95th percentile of the calibration error if these confidences were exactly right."""
    ordered = np.sort(confidence)
    rng = np.random.default_rng(seed)
    errors = np.zeros(samples)
    for part in np.array_split(ordered, bins):
        if len(part):
            right = np.array([rng.random(len(part)) < part for _ in range(samples)]).mean(axis=1)
            errors += abs(part.mean() - right) * len(part)
    return float(np.quantile(errors / max(1, len(ordered)), 0.95))


def _weights(weights: Floats | None, count: int) -> Floats:
    return np.ones((1, count)) if weights is None else weights
