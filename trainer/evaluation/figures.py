"""From what became of each query to figures: means and their intervals. Knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.retrieval.decision import Case, effects, measured
from trainer.evaluation import metrics, statistics
from trainer.evaluation.metrics import Flags, Floats, Integers

HELP = ("helped", "wrong", "unanswerable_answered", "unanswerable_offered")
PRECISIONS = (0.95, 0.9, 0.8)
ECHO = "outranks_echo"
COUNTS = ("queries", "entries", "phrasings_removed", "unanswerable")
SAMPLED = (
    *HELP,
    *("answered", "accuracy", "answered_right", "refused", "auroc_right", "auroc_answerable"),
    *(f"coverage@{100 * precision:.0f}" for precision in PRECISIONS),
)

Figures = dict[str, Any]


@dataclass(frozen=True)
class Outcomes:
    """What became of each query, all (queries,) alike."""

    queries: Sequence[Query]
    entries: Sequence[Entry]  # what was searched
    relevant: Sequence[Integers]  # positions of what is right; empty: nothing is
    ranked: Sequence[Integers]  # the places of those, ascending
    top: Integers  # (queries, a few): positions of the best, best first
    score: Floats | None = None  # of the best; None where the protocol has no confidence
    confidence: Floats | None = None
    threshold: float = 0.0
    cases: Sequence[Case] | None = None  # what the service would reply, with `top_k` 1
    removed: int | None = None  # questions that stood in the index as a phrasing
    echo: Flags | None = None  # where a right answer is nearer to the question than the question's own text would be
    groups: Integers | None = None  # (queries,): which entry each is about, where `relevant` does not say it
    sides: int = 1  # queries that are asked for each that counts

    @cached_property
    def answerable(self) -> Flags:
        """Where something is right."""
        return np.array([len(one) > 0 for one in self.relevant], dtype=bool)

    @cached_property
    def right(self) -> Flags:
        """Where the best entry is right."""
        return np.array([len(one) > 0 and one[0] == 1 for one in self.ranked], dtype=bool)

    @cached_property
    def answers(self) -> Flags:
        """Where the service would answer rather than refuse."""
        sure = np.ones(len(self.queries), dtype=bool)
        return sure if self.confidence is None else self.confidence >= self.threshold

    @cached_property
    def about(self) -> Integers:
        """(queries,): a number for each, the same for queries about one entry; entries with one answer are one.

        A query that nothing answers has a number of its own.
        """
        if self.groups is not None:
            return self.groups
        own = len(self.entries) + np.arange(len(self.queries))
        return np.array([one[0] if len(one) else own[i] for i, one in enumerate(self.relevant)], dtype=np.int64)

    @property
    def asked(self) -> int:
        """How many queries there are; a pair that is asked from both sides counts once."""
        return len(self.queries) // self.sides

    @cached_property
    def table(self) -> dict[str, Floats]:
        """Every ranking metric of every answerable query."""
        return metrics.table([places for places in self.ranked if len(places)])

    def subset(self, chosen: Sequence[int]) -> "Outcomes":
        """The same of some of the queries."""
        rows = np.array(chosen, dtype=np.int64)
        return Outcomes(
            [self.queries[i] for i in rows],
            self.entries,
            [self.relevant[i] for i in rows],
            [self.ranked[i] for i in rows],
            self.top[rows],
            None if self.score is None else self.score[rows],
            None if self.confidence is None else self.confidence[rows],
            self.threshold,
            None if self.cases is None else [self.cases[i] for i in rows],
            echo=None if self.echo is None else self.echo[rows],
            groups=None if self.groups is None else self.groups[rows],
            sides=self.sides,
        )

    def entry(self, query: int) -> Entry | None:
        """The entry that is right, the first of several; None where nothing is."""
        return self.entries[self.relevant[query][0]] if len(self.relevant[query]) else None


def summary(outcomes: Outcomes) -> Figures:
    """All figures as one flat object; those that there is nothing to measure by are left out."""
    figures: Figures = {"queries": outcomes.asked, "entries": len(outcomes.entries)}
    if outcomes.removed is not None:
        figures["phrasings_removed"] = outcomes.removed
    figures |= {name: float(values.mean()) for name, values in outcomes.table.items()}
    if outcomes.echo is not None and outcomes.answerable.any():
        figures[ECHO] = float(outcomes.echo[outcomes.answerable].mean())
    return figures if outcomes.confidence is None else {**figures, **_decisions(outcomes), **_confidence(outcomes)}


def with_intervals(outcomes: Outcomes) -> Figures:
    """`summary`, and under `intervals` the 95 % bootstrap interval of each figure that has one, as [low, high]."""
    found = statistics.mean_intervals(outcomes.table, outcomes.about[outcomes.answerable])
    if outcomes.confidence is not None and len(outcomes.queries):
        found |= _sampled_intervals(outcomes, outcomes.confidence)
    return {**summary(outcomes), "intervals": {name: list(ends) for name, ends in found.items()}}


def _decisions(outcomes: Outcomes) -> Figures:
    """What the service would do: how much it answers, how often rightly, and how much it rightly refuses."""
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
    """What the confidence is worth, whatever the threshold."""
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
    """The figures of `SAMPLED` under weights (samples, queries): (samples, figures), NaN where nothing is measured."""
    right, answers, answerable = outcomes.right, outcomes.answers, outcomes.answerable
    helps = effects(outcomes.cases or ())

    def each(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            found = [_mean(helps[name], weights) for name in HELP]
            found += [
                weights @ answers / weights.sum(axis=1),
                weights @ (answers & right) / weights.sum(axis=1),
                weights @ (answers & right) / (weights @ answers),
                weights @ (~answers & ~answerable) / (weights @ ~answerable),
                metrics.auroc(confidence, right, weights),
                metrics.auroc(confidence, answerable, weights),
            ]
        found += [metrics.coverage(confidence, right, precision, weights) for precision in PRECISIONS]
        return np.stack(found, axis=1)

    return each


def _mean(values: Floats, weights: Floats) -> Floats:
    """The weighted mean of what is not NaN, (samples,); NaN where nothing is, or no value was given."""
    counts = ~np.isnan(values)
    return np.asarray(weights[:, : len(values)] @ np.where(counts, values, 0) / (weights[:, : len(values)] @ counts))


def _sampled_intervals(outcomes: Outcomes, confidence: Floats) -> dict[str, statistics.Interval]:
    low, high = statistics.ends(statistics.bootstrap(sampled(outcomes, confidence), outcomes.about))
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(SAMPLED) if np.isfinite(low[i])}
