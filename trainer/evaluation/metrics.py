"""How good rankings and confidences are. Numbers in, numbers out; knows no model and no file.

Ranking metrics follow from the places at which the relevant entries stand, so no ranking is ever sorted or kept whole.
Those of confidence take weights, (samples, queries), that say how often each query counts: a row of ones for the
figure itself, resampled rows for its interval (`trainer.evaluation.statistics`). Definitions are in docs/evaluation.md.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers

CUTOFFS = (1, 3, 5, 10, 20)
BINS = 10


def ranks(scores: NDArray[np.float32], relevant: Integers) -> Integers:
    """The places (1 is best), ascending, of the `relevant` positions in `scores` (entries,); ties in given order.

    What is not a number is nobody's first place: it stands last, and above it nothing counts as beaten.
    """
    found = []
    for position in relevant:
        score = scores[position]
        place = 1 + int((~(scores <= score)).sum()) + int((scores[:position] == score).sum())
        found.append(min(place, len(scores)))
    return np.sort(np.array(found, dtype=np.int64))


def table(ranked: Sequence[Integers]) -> dict[str, Floats]:
    """Every ranking metric of every query, each (queries,); `ranked` is what `ranks` gave, never empty, for each."""
    if not ranked:
        return {}
    counts = np.array([len(one) for one in ranked])
    places = np.concatenate(ranked)  # of all queries, one after the other
    owner = np.repeat(np.arange(len(ranked)), counts)
    nth = 1 + np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)  # among its query's own

    def total(values: NDArray[np.generic]) -> Floats:
        return np.bincount(owner, weights=values, minlength=len(ranked)).astype(np.float64)

    found = {
        "precision@1": total(places == 1),
        "mrr": 1.0 / np.array([one[0] for one in ranked]),
        "average_precision": total(nth / places) / counts,
        "r_precision": total(places <= counts[owner]) / counts,
    }
    gains = 1 / np.log2(1 + np.arange(1, 1 + max(counts.max(), max(CUTOFFS))))
    for k in CUTOFFS:
        hits = total(places <= k)
        dcg = total((places <= k) / np.log2(1 + places))
        found |= {
            f"hit@{k}": np.minimum(hits, 1),
            f"precision@{k}": hits / k,
            f"recall@{k}": hits / counts,
            f"f1@{k}": 2 * hits / (k + counts),
            f"dcg@{k}": dcg,
            f"ndcg@{k}": dcg / np.cumsum(gains)[np.minimum(k, counts) - 1],
        }
    return found


def summarize(ranked: Sequence[Integers]) -> dict[str, float]:
    """The means of `table` over the queries; nothing where there are none."""
    return {name: float(values.mean()) for name, values in table(ranked).items()}


def auroc(scores: Floats, positive: Flags, weights: Floats | None = None) -> Floats:
    """The chance that a positive scores above a negative, a tie counting half, (samples,); NaN where one is missing."""
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
    """The largest share of all queries that one threshold answers with at least that precision, (samples,)."""
    order = np.argsort(-confidence, kind="stable")
    weights = _weights(weights, len(confidence))[:, order]
    answered = np.cumsum(weights, axis=1)
    enough = np.cumsum(weights * right[order], axis=1) >= precision * answered - 1e-9
    ends = np.diff(confidence[order], append=-np.inf) != 0  # a threshold does not part equal confidences
    most = np.where(enough & ends, answered, 0).max(axis=1, initial=0)
    return np.asarray(most / np.maximum(1, weights.sum(axis=1)))


def threshold_at(confidence: Floats, right: Flags, precision: float) -> float:
    """The threshold of `coverage`; infinite where none reaches that precision."""
    share = coverage(confidence, right, precision)[0]
    count = round(share * len(confidence))
    return float(np.sort(confidence)[::-1][count - 1]) if count else np.inf


def calibration_error(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """The mean distance of confidence from the share that is right, over `bins` bins of equally many queries."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / max(1, len(confidence)))


def calibration_error_of_perfect(confidence: Floats, bins: int = BINS, samples: int = 1000, seed: int = 0) -> float:
    """What the calibration error of confidences that are exactly true stays below, 95 times of 100, at this size."""
    ordered = np.sort(confidence)
    draws = np.random.default_rng(seed)
    errors = np.zeros(samples)
    for part in np.array_split(ordered, bins):
        if len(part):
            right = np.array([draws.random(len(part)) < part for _ in range(samples)]).mean(axis=1)
            errors += abs(part.mean() - right) * len(part)
    return float(np.quantile(errors / max(1, len(ordered)), 0.95))


def _weights(weights: Floats | None, count: int) -> Floats:
    return np.ones((1, count)) if weights is None else weights
