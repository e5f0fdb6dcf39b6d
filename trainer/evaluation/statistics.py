"""Confidence intervals of figures and tests of paired differences, seeded.

The bootstrap resamples entries, each with all its queries, because questions about one entry succeed or fail together
and are no independent draws ("Bootstrap Methods and their Application", Davison & Hinkley 1997, 3.8). `entries` are
numbers, (queries,), equal for queries about the same entry; without them each query counts as an entry of its own.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from app.arrays import Flags, Floats, Integers
from trainer.evaluation.metrics import threshold_at

SAMPLES = 2000  # bootstrap resamples: they place the ends of an interval to about a tenth of its width
FLIPS = 10_000  # random swaps of the randomisation test, whose smallest p is then 1 / 10,001
LEVEL = 0.95
HALVES = 20
_CELLS = 2_000_000  # samples x queries in memory at once
_EXACT = 13  # up to so many differences the randomisation test tries all 2 ** n signs

Interval = tuple[float, float]
Statistic = Callable[[Floats], Floats]  # weights (samples, queries) -> (samples, figures)


@dataclass(frozen=True)
class Difference:
    """The mean of after - before over the same queries, its 95 % interval and its two-sided p."""

    mean: float
    low: float
    high: float
    p: float


def resamples(entries: Integers, samples: int = SAMPLES, seed: int = 0) -> Iterator[Floats]:
    """Blocks of (rows, queries) weights, `samples` rows in all: how often each resample draws each query.

    A resample draws as many entries as there are, with replacement, each with all its queries.
    """
    rng = np.random.default_rng(seed)
    numbers, entry_of = np.unique(entries, return_inverse=True)
    count = len(numbers)
    size = max(1, _CELLS // max(1, len(entries)))
    for start in range(0, samples, size):
        rows = min(size, samples - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, entry_of].astype(np.float64)


def bootstrap(statistic: Statistic, entries: Integers, seed: int = 0) -> Floats:
    """The figures of each resample, (SAMPLES, figures)."""
    return np.concatenate([statistic(weights) for weights in resamples(entries, seed=seed)])


def ends(sampled: Floats) -> Floats:
    """The 95 % percentile interval of each column of (samples, figures), as (2, figures).

    Ignores NaN, the value of a sample in which nothing could be measured. A column of NaN has the interval NaN.
    """
    tail = (1 - LEVEL) / 2
    columns = [column[~np.isnan(column)] for column in sampled.T]
    return np.array([np.quantile(column, [tail, 1 - tail]) if len(column) else [np.nan] * 2 for column in columns]).T


def mean_intervals(values: Mapping[str, Floats], entries: Integers | None = None, seed: int = 0) -> dict[str, Interval]:
    """The intervals of the means of figures, (queries,) each, over the same resamples."""
    if not values:
        return {}
    columns = np.stack(list(values.values()), axis=1)  # (queries, figures)
    entries = np.arange(len(columns)) if entries is None else entries
    low, high = ends(bootstrap(lambda weights: weights @ columns / weights.sum(axis=1, keepdims=True), entries, seed))
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


def differences(
    before: Mapping[str, Floats], after: Mapping[str, Floats], entries: Integers | None = None, seed: int = 0
) -> dict[str, Difference]:
    """after - before of the figures with the same names, (queries,) each, over the same queries."""
    changes = {name: after[name] - values for name, values in before.items()}
    if not changes:
        return {}
    columns = np.stack(list(changes.values()), axis=1)
    entries = np.arange(len(columns)) if entries is None else entries
    intervals, net = mean_intervals(changes, entries, seed), net_changes(columns, entries)
    return {
        name: Difference(float(changes[name].mean()), *intervals[name], p)
        for name, p in zip(changes, randomisation_test(net, seed), strict=True)
    }


def net_changes(changes: Floats, entries: Integers) -> Floats:
    """The sums of the changes over each entry's queries: (queries, figures) -> (entries, figures)."""
    numbers, entry_of = np.unique(entries, return_inverse=True)
    net = np.zeros((len(numbers), *changes.shape[1:]))
    np.add.at(net, entry_of, changes)
    return net


def bootstrap_difference(before: Floats, after: Floats, mean: float) -> Difference:
    """The difference `mean` of a figure that is no mean over queries, from its values on the same resamples.

    Both are (samples,). p is twice the share of resamples in which the difference has the other sign.
    """
    change = after - before
    change = change[~np.isnan(change)]
    low, high = ends(change[:, None])[:, 0]
    opposite = min((change <= 0).sum(), (change >= 0).sum())
    return Difference(mean, float(low), float(high), min(1.0, 2 * (1 + int(opposite)) / (1 + len(change))))


def randomisation_test(changes: Floats, seed: int = 0) -> list[float]:
    """Fisher's paired randomisation test: the two-sided p of each column of (entries, figures).

    Exact where at most 13 entries differ; otherwise from FLIPS random swaps of A and B, the same for all columns.
    """
    observed = abs(changes.sum(axis=0)) - 1e-9
    reached = np.zeros(len(observed), dtype=np.int64)
    rng = np.random.default_rng(seed)
    size = max(1, _CELLS // max(1, len(changes)))
    for start in range(0, FLIPS, size):
        swapped = rng.integers(2, size=(min(size, FLIPS - start), len(changes)), dtype=np.int8)
        reached += (abs((1.0 - 2.0 * swapped) @ changes) >= observed).sum(axis=0)
    return [
        _exact(nonzero) if len(nonzero) <= _EXACT else (1 + int(count)) / (1 + FLIPS)
        for nonzero, count in zip((column[column != 0] for column in changes.T), reached, strict=True)
    ]


def _exact(change: Floats) -> float:
    signs = 1.0 - 2.0 * ((np.arange(2 ** len(change))[:, None] >> np.arange(len(change))) & 1)
    return float((abs(signs @ change) >= abs(change.sum()) - 1e-9).mean())


def sign_test_of(changes: Floats, entries: Integers) -> float:
    """Two-sided p of the sign test on the net change of each entry; `changes` are of queries, (queries,)."""
    net = net_changes(np.sign(changes), entries)
    return sign_test(int((net > 0).sum()), int((net < 0).sum()))


def sign_test(better: int, worse: int) -> float:
    """The exact two-sided p of the sign test for that many changes for the better and for the worse."""
    return float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0


def wilson_interval(count: int, of: int) -> Interval:
    """The 95 % interval of the share count / of (Wilson 1927); 0 to 1 where `of` is 0."""
    if not of:
        return 0.0, 1.0
    low, high = stats.binomtest(count, of).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def p_value(p: float) -> str:
    """A p to three places; `< 0.001` for smaller ones."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def p_equation(p: float) -> str:
    """A p for a sentence: `p = 0.012`, or `p < 0.001`."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def halves(count: int, times: int = HALVES, seed: int = 0) -> Iterator[tuple[Flags, Flags]]:
    """Random halves of the queries as two masks, (count,): to choose a threshold on, and to measure it on."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        chosen = np.zeros(count, dtype=bool)
        chosen[rng.permutation(count)[: count // 2]] = True
        yield chosen, ~chosen


def coverage_of_halves(confidence: Floats, right: Flags, precision: float, seed: int = 0) -> Interval:
    """Coverage and precision on one half of the queries at the threshold chosen on the other, over 20 random halves.

    The precision is NaN where nothing is answered.
    """
    answered = hits = total = 0
    for chosen, measured in halves(len(confidence), seed=seed):
        above = confidence[measured] >= threshold_at(confidence[chosen], right[chosen], precision)
        answered, total = answered + int(above.sum()), total + len(above)
        hits += int(right[measured][above].sum())
    return answered / max(1, total), hits / answered if answered else math.nan
