"""Figures of an evaluation: means over its queries and their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from app.arrays import Flags, Floats, Integers
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.decision import Case, effects, measured
from trainer.evaluation import metrics, statistics

HELP = ("helped", "wrong", "unanswerable_answered", "unanswerable_offered")
PRECISIONS = (0.95, 0.9, 0.8)
ECHO = "outranks_echo"
COUNTS = ("queries", "entries", "phrasings_removed", "unanswerable")
SAMPLED = (
    *HELP,
    *("answered", "accuracy", "answered_right", "refused", "auroc_right", "auroc_answerable"),
    *(f"coverage@{100 * precision:.0f}" for precision in PRECISIONS),
)

_PER_QUERY = ("queries", "relevant", "ranked", "top", "score", "confidence", "cases", "echo", "groups")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Outcomes:
    """The result of each query. Fields that have one value per query are marked (queries,)."""

    queries: Sequence[Query]
    entries: Sequence[Entry]  # that were searched
    relevant: Sequence[Integers]  # (queries,): positions of the right entries; empty for an unanswerable query
    ranked: Sequence[Integers]  # (queries,): the ranks of these, ascending
    top: Integers  # (queries, a few): positions of the best entries, best first
    score: Floats | None = None  # (queries,): of the best entry; None where the protocol has no confidence
    confidence: Floats | None = None  # (queries,)
    threshold: float = 0.0  # from which confidence the service answers
    cases: Sequence[Case] | None = None  # (queries,): the service's reply with `top_k` 1
    removed: int | None = None  # how many questions were a phrasing in the index
    echo: Flags | None = None  # (queries,): a right answer is nearer to the question than the question's own text
    groups: Integers | None = None  # (queries,): the entry that each is about, where `relevant` does not tell
    sides: int = 1  # queries per pair: 2 where each pair is asked from both sides

    @cached_property
    def answerable(self) -> Flags:
        """Which queries have a right entry, (queries,)."""
        return np.array([len(positions) > 0 for positions in self.relevant], dtype=bool)

    @cached_property
    def right(self) -> Flags:
        """For which queries the best entry is right, (queries,)."""
        return np.array([len(places) > 0 and places[0] == 1 for places in self.ranked], dtype=bool)

    @cached_property
    def answers(self) -> Flags:
        """Which queries the service would answer, (queries,); all where the protocol has no confidence."""
        everywhere = np.ones(len(self.queries), dtype=bool)
        return everywhere if self.confidence is None else self.confidence >= self.threshold

    @cached_property
    def about(self) -> Integers:
        """(queries,): a number for each, equal for queries about the same answer; unique for an unanswerable query."""
        if self.groups is not None:
            return self.groups
        own = len(self.entries) + np.arange(len(self.queries))
        return np.array([right[0] if len(right) else own[i] for i, right in enumerate(self.relevant)], dtype=np.int64)

    @cached_property
    def table(self) -> dict[str, Floats]:
        """Every ranking metric, (answerable queries,) each."""
        return metrics.table([places for places in self.ranked if len(places)])

    def subset(self, chosen: Sequence[int]) -> "Outcomes":
        """The outcomes of the queries at these positions."""
        columns = {name: getattr(self, name) for name in _PER_QUERY if getattr(self, name) is not None}
        rows: dict[str, Any] = {
            name: values[list(chosen)] if isinstance(values, np.ndarray) else [values[i] for i in chosen]
            for name, values in columns.items()
        }
        return replace(self, removed=None, **rows)

    def entry(self, query: int) -> Entry | None:
        """The right entry, the first of several; None for an unanswerable query."""
        return self.entries[self.relevant[query][0]] if len(self.relevant[query]) else None


def summary(outcomes: Outcomes) -> Figures:
    """All figures by name, without those that these queries cannot measure."""
    figures: Figures = {"queries": len(outcomes.queries) // outcomes.sides, "entries": len(outcomes.entries)}
    if outcomes.removed is not None:
        figures["phrasings_removed"] = outcomes.removed
    figures |= {name: float(values.mean()) for name, values in outcomes.table.items()}
    if outcomes.echo is not None and outcomes.answerable.any():
        figures[ECHO] = float(outcomes.echo[outcomes.answerable].mean())
    return figures if outcomes.confidence is None else {**figures, **_decisions(outcomes), **_confidence(outcomes)}


def with_intervals(outcomes: Outcomes) -> Figures:
    """`summary`, and under `intervals` the 95 % bootstrap intervals by name, as [low, high]."""
    intervals = statistics.mean_intervals(outcomes.table, outcomes.about[outcomes.answerable])
    if outcomes.confidence is not None and len(outcomes.queries):
        samples = statistics.bootstrap(sampled(outcomes, outcomes.confidence), outcomes.about)
        ends = zip(SAMPLED, *statistics.ends(samples).tolist(), strict=True)
        intervals |= {name: (low, high) for name, low, high in ends if np.isfinite(low)}
    return {**summary(outcomes), "intervals": {name: list(interval) for name, interval in intervals.items()}}


def _decisions(outcomes: Outcomes) -> Figures:
    """How much the service answers, how often it is right, and how many unanswerable questions it refuses."""
    answers, right, answerable = outcomes.answers, outcomes.right, outcomes.answerable
    if not len(answers):
        return {}
    figures: Figures = dict(measured(outcomes.cases or ()))
    figures |= {"answered": float(answers.mean()), "accuracy": float((answers & right).mean())}
    if answers.any():
        figures["answered_right"] = float(right[answers].mean())
    if (~answerable).any():
        figures |= {"unanswerable": int((~answerable).sum()), "refused": float((~answers)[~answerable].mean())}
    return figures


def _confidence(outcomes: Outcomes) -> Figures:
    """Figures of the confidence that do not depend on the threshold."""
    confidence, right = outcomes.confidence, outcomes.right
    if confidence is None or not len(right):
        return {}
    figures: Figures = {}
    for precision in PRECISIONS:
        name = f"coverage@{100 * precision:.0f}"
        share, reached = statistics.coverage_of_halves(confidence, right, precision)
        figures |= {name: float(metrics.coverage(confidence, right, precision)[0]), f"{name}_halves": share}
        if not np.isnan(reached):
            figures[f"{name}_halves_precision"] = reached
    kinds = {"auroc_right": right, "auroc_answerable": outcomes.answerable}
    figures |= {
        name: float(metrics.auroc(confidence, flags)[0])
        for name, flags in kinds.items()
        if 0 < flags.sum() < len(flags)
    }
    figures["calibration_error"] = metrics.calibration_error(confidence, right)
    figures["calibration_error_of_perfect"] = metrics.calibration_error_of_perfect(confidence)
    return figures


def sampled(outcomes: Outcomes, confidence: Floats) -> statistics.Statistic:
    """A function from weights, (samples, queries), to the figures of `SAMPLED`, (samples, figures), or NaN."""
    right, answers, answerable = outcomes.right, outcomes.answers, outcomes.answerable
    values = effects(outcomes.cases or ())

    def each(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            columns = [_mean(values[name], weights) for name in HELP]
            columns += [
                weights @ answers / weights.sum(axis=1),
                weights @ (answers & right) / weights.sum(axis=1),
                weights @ (answers & right) / (weights @ answers),
                weights @ (~answers & ~answerable) / (weights @ ~answerable),
                metrics.auroc(confidence, right, weights),
                metrics.auroc(confidence, answerable, weights),
            ]
        columns += [metrics.coverage(confidence, right, precision, weights) for precision in PRECISIONS]
        return np.stack(columns, axis=1)

    return each


def _mean(values: Floats, weights: Floats) -> Floats:
    """The weighted means of the values that are not NaN, (samples,); NaN without any."""
    counts = ~np.isnan(values)
    return np.asarray(weights[:, : len(values)] @ np.where(counts, values, 0) / (weights[:, : len(values)] @ counts))
