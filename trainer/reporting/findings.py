"""What the results say, for people: which questions changed, which are unsure, and whether it may all be chance."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.evaluation.statistics import sign_test_of
from trainer.reporting.results import Asked, Place, Results

Z = 1.96  # of a 95% interval
SURE = 0.05  # a difference that chance gives more rarely than that is not put down to chance


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """Between 0 and 1; 0 of nothing is 0."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval (Wilson 1927)."""
        if not self.of:
            return 0.0, 1.0
        n, p = self.of, self.value
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Findings:
    """Questions by what became of them. The lists overlap; each begins with what matters most."""

    better: list[Asked]  # the right answer moved up
    worse: list[Asked]
    kept_right: int
    kept_wrong: int
    gained: int  # wrong before, right now
    lost: int
    chance: float  # two-sided p of the sign test on each entry's gains and losses
    unsure: list[Asked]  # right, but not sure enough to be answered
    mistaken: list[Asked]  # answered, and wrong
    missed: list[Asked]  # the right answer does not stand first


def findings(results: Results) -> Findings:
    """Sort out the held-out questions."""
    asked, threshold = results.questions, results.after.threshold
    answerable = [one for one in asked if one.after.rank is not None]
    pairs = [(one.before.right, one.after.right) for one in answerable if one.before is not None]
    sure = [one for one in asked if one.after.confidence >= threshold]
    return Findings(
        better=sorted((one for one in answerable if gain(one) > 0), key=lambda one: -gain(one)),
        worse=sorted((one for one in answerable if gain(one) < 0), key=gain),
        kept_right=pairs.count((True, True)),
        kept_wrong=pairs.count((False, False)),
        gained=pairs.count((False, True)),
        lost=pairs.count((True, False)),
        chance=_chance(answerable),
        unsure=sorted(
            (one for one in answerable if one.after.right and one.after.confidence < threshold),
            key=lambda one: one.after.confidence,
        ),
        mistaken=sorted((one for one in sure if not one.after.right), key=lambda one: -one.after.confidence),
        missed=sorted((one for one in answerable if not one.after.right), key=lambda one: -(one.after.rank or 0)),
    )


def _chance(answerable: Sequence[Asked]) -> float:
    """How often chance alone would tell the two systems apart as clearly."""
    both = [one for one in answerable if one.before is not None]
    changes = [float(one.after.right) - float(one.before.right) for one in both if one.before is not None]
    numbers: dict[str | None, int] = {}
    entries = [numbers.setdefault(one.faq_id, len(numbers)) for one in both]
    return sign_test_of(np.array(changes), np.array(entries, dtype=np.int64))


def gain(one: Asked) -> float:
    """By how much the reciprocal rank of the right answer rose."""
    if one.before is None or one.before.rank is None or one.after.rank is None:
        return 0.0
    return 1 / one.after.rank - 1 / one.before.rank


def within(asked: Sequence[Asked], which: Callable[[Asked], Place | None], k: int) -> Share:
    """How many of the questions that can be answered have a right answer among the first `k`."""
    ranks = [place.rank for one in asked if (place := which(one)) is not None and place.rank is not None]
    return Share(sum(rank <= k for rank in ranks), len(ranks))


def answered(asked: Sequence[Asked], which: Callable[[Asked], Place | None], threshold: float) -> Share:
    """How many questions are answered at that threshold."""
    places = [place for one in asked if (place := which(one)) is not None]
    return Share(sum(place.confidence >= threshold for place in places), len(places))


def answered_right(asked: Sequence[Asked], which: Callable[[Asked], Place | None], threshold: float) -> Share:
    """How many of the answers given at that threshold are right."""
    given = [place for one in asked if (place := which(one)) is not None and place.confidence >= threshold]
    return Share(sum(place.right for place in given), len(given))


def refused(asked: Sequence[Asked], which: Callable[[Asked], Place | None], threshold: float) -> Share:
    """How many of the questions that nothing answers get no answer."""
    places = [place for one in asked if (place := which(one)) is not None and place.rank is None]
    return Share(sum(place.confidence < threshold for place in places), len(places))
