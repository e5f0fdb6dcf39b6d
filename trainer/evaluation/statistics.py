"""How far a figure can be trusted: bootstrap intervals, and tests of paired differences. Seeded numpy; knows no model.

Entries are what is resampled, each with all its queries: questions about one entry succeed or fail together, so they
are no independent draws ("Bootstrap Methods and their Application", Davison & Hinkley 1997, 3.8). `entries` are
numbers, (queries,), the same for queries about one entry; without them each query counts as an entry of its own.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from trainer.evaluation.metrics import Flags, Floats, Integers, threshold_at

SAMPLES = 2000  # of the bootstrap; the ends of an interval are then good to about a tenth of its width
FLIPS = 10_000  # of the randomisation test: the least p that it can tell is 1 / 10,001
LEVEL = 0.95
HALVES = 20
_CELLS = 2_000_000  # samples x queries, held at once
_EXACT = 13  # with so many differences or fewer, all 2 ** n signs are tried

Interval = tuple[float, float]
Statistic = Callable[[Floats], Floats]  # weights (samples, queries) -> (samples, figures)


@dataclass(frozen=True)
class Difference:
    """Of two systems on the same queries: the mean of after - before, its 95 % interval, and its two-sided p."""

    mean: float
    low: float
    high: float
    p: float

    def json(self) -> dict[str, float]:
        """The same, for a JSON file."""
        return asdict(self)


def resamples(entries: Integers, samples: int = SAMPLES, seed: int = 0) -> Iterator[Floats]:
    """Blocks of (samples, queries): how often each query was drawn.

    A row draws as many entries as there are, with replacement, each with all its queries.
    """
    draws = np.random.default_rng(seed)
    numbers, of = np.unique(entries, return_inverse=True)
    count = len(numbers)
    size = max(1, _CELLS // max(1, len(entries)))
    for start in range(0, samples, size):
        rows = min(size, samples - start)
        drawn = draws.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, of].astype(np.float64)


def bootstrap(statistic: Statistic, entries: Integers, seed: int = 0) -> Floats:
    """What `statistic` makes of resampled entries, (SAMPLES, figures)."""
    return np.concatenate([statistic(weights) for weights in resamples(entries, seed=seed)])


def ends(sampled: Floats) -> Floats:
    """The percentile interval of each column, (2, figures); a sample in which there was nothing to measure is left out.

    NaN for a figure that no sample could measure.
    """
    tail = 100 * (1 - LEVEL) / 2
    columns = [column[~np.isnan(column)] for column in sampled.T]
    found = [np.percentile(column, [tail, 100 - tail]) if len(column) else [np.nan, np.nan] for column in columns]
    return np.array(found).T


def mean_intervals(values: Mapping[str, Floats], entries: Integers | None = None, seed: int = 0) -> dict[str, Interval]:
    """The intervals of the means of several figures, each (queries,), over the same resamples."""
    if not values:
        return {}
    columns = np.stack(list(values.values()), axis=1)  # (queries, figures)
    entries = np.arange(len(columns)) if entries is None else entries
    low, high = ends(bootstrap(lambda weights: weights @ columns / weights.sum(axis=1, keepdims=True), entries, seed))
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


def differences(
    before: Mapping[str, Floats], after: Mapping[str, Floats], entries: Integers | None = None, seed: int = 0
) -> dict[str, Difference]:
    """Compare two systems by figures of the same names over the same queries, each (queries,)."""
    changes = {name: after[name] - values for name, values in before.items()}
    if not changes:
        return {}
    columns = np.stack(list(changes.values()), axis=1)
    entries = np.arange(len(columns)) if entries is None else entries
    ends_of, net = mean_intervals(changes, entries, seed), net_changes(columns, entries)
    return {
        name: Difference(float(changes[name].mean()), *ends_of[name], p)
        for name, p in zip(changes, randomisation_test(net, seed), strict=True)
    }


def net_changes(changes: Floats, entries: Integers) -> Floats:
    """The sum of the changes of each entry's queries, (queries, figures) -> (entries, figures)."""
    numbers, of = np.unique(entries, return_inverse=True)
    net = np.zeros((len(numbers), *changes.shape[1:]))
    np.add.at(net, of, changes)
    return net


def bootstrap_difference(before: Floats, after: Floats, mean: float) -> Difference:
    """Of a figure that is no mean over queries: from its values on the same resamples, both (samples,).

    p is twice the share of resamples on the other side of nothing.
    """
    change = after - before
    change = change[~np.isnan(change)]
    low, high = ends(change[:, None])[:, 0]
    other = min((change <= 0).sum(), (change >= 0).sum())
    return Difference(mean, float(low), float(high), min(1.0, 2 * (1 + int(other)) / (1 + len(change))))


def randomisation_test(changes: Floats, seed: int = 0) -> list[float]:
    """Two-sided p of each column of (entries, figures): Fisher's test, had chance swapped A and B.

    Exact where few entries differ; else from FLIPS random swaps, the same for all columns.
    """
    seen = abs(changes.sum(axis=0)) - 1e-9
    reached = np.zeros(len(seen), dtype=np.int64)
    draws = np.random.default_rng(seed)
    size = max(1, _CELLS // max(1, len(changes)))
    for start in range(0, FLIPS, size):
        swapped = draws.integers(2, size=(min(size, FLIPS - start), len(changes)), dtype=np.int8)
        reached += (abs((1.0 - 2.0 * swapped) @ changes) >= seen).sum(axis=0)
    return [
        _exact(some) if len(some) <= _EXACT else (1 + int(count)) / (1 + FLIPS)
        for some, count in zip((column[column != 0] for column in changes.T), reached, strict=True)
    ]


def _exact(change: Floats) -> float:
    signs = 1.0 - 2.0 * ((np.arange(2 ** len(change))[:, None] >> np.arange(len(change))) & 1)
    return float((abs(signs @ change) >= abs(change.sum()) - 1e-9).mean())


def sign_test_of(changes: Floats, entries: Integers) -> float:
    """Two-sided p of the changes of queries, (queries,): the sign test on the net change of each entry."""
    net = net_changes(np.sign(changes), entries)
    return sign_test(int((net > 0).sum()), int((net < 0).sum()))


def sign_test(better: int, worse: int) -> float:
    """Two-sided p of so many changes for the better and for the worse, were both equally likely; exact."""
    count, fewer = better + worse, min(better, worse)
    logs = [math.lgamma(count + 1) - math.lgamma(i + 1) - math.lgamma(count - i + 1) for i in range(fewer + 1)]
    tail = math.fsum(math.exp(log - count * math.log(2)) for log in logs)
    return min(1.0, 2 * tail)


def halves(count: int, times: int = HALVES, seed: int = 0) -> Iterator[tuple[Flags, Flags]]:
    """Random halves of the queries, as flags: one to choose a threshold on, the other to measure."""
    draws = np.random.default_rng(seed)
    for _ in range(times):
        chosen = np.zeros(count, dtype=bool)
        chosen[draws.permutation(count)[: count // 2]] = True
        yield chosen, ~chosen


def coverage_of_halves(confidence: Floats, right: Flags, precision: float, seed: int = 0) -> Interval:
    """Coverage and precision on one half of the queries at the threshold that the other half chose, over 20 halves."""
    answered = hits = asked = 0
    for chosen, measured in halves(len(confidence), seed=seed):
        above = confidence[measured] >= threshold_at(confidence[chosen], right[chosen], precision)
        answered, asked = answered + int(above.sum()), asked + len(above)
        hits += int(right[measured][above].sum())
    return answered / max(1, asked), hits / answered if answered else math.nan
