"""What became of the held-out questions: which changed, which are unsure, and how likely chance explains it."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from trainer.evaluation.corpus import numbered
from trainer.evaluation.statistics import sign_test_of, wilson_interval
from trainer.reports.results import Asked, Place, Results

SURE = 0.05  # a difference with a smaller p is not called chance


@dataclass(frozen=True)
class Share:
    """`count` of `of` questions."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """count / of, between 0 and 1; 0 where `of` is 0."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval (Wilson 1927)."""
        return wilson_interval(self.count, self.of)


@dataclass(frozen=True)
class Findings:
    """The held-out questions by result. The lists overlap; each begins with the most important question."""

    better: list[Asked]  # the right answer moved up
    worse: list[Asked]  # it moved down
    kept_right: int
    kept_wrong: int
    gained: int  # wrong before, right now
    lost: int  # right before, wrong now
    chance: float  # two-sided p of the sign test on the net change of each entry
    unsure: list[Asked]  # right, with a confidence below the threshold
    mistaken: list[Asked]  # wrong, with a confidence above the threshold
    missed: list[Asked]  # the right answer is not first


def findings(results: Results) -> Findings:
    """Sort the held-out questions by what became of them."""
    threshold, confidence = results.after.threshold, attrgetter("after.confidence")
    answerable = [question for question in results.questions if question.after.rank is not None]
    changes = [(question.before.right, question.after.right) for question in answerable if question.before]
    right = [question for question in answerable if question.after.right]
    return Findings(
        better=sorted((question for question in answerable if gain(question) > 0), key=gain, reverse=True),
        worse=sorted((question for question in answerable if gain(question) < 0), key=gain),
        kept_right=changes.count((True, True)),
        kept_wrong=changes.count((False, False)),
        gained=changes.count((False, True)),
        lost=changes.count((True, False)),
        chance=_chance([question for question in answerable if question.before]),
        unsure=sorted((question for question in right if question.after.confidence < threshold), key=confidence),
        mistaken=sorted(
            (
                question
                for question in results.questions
                if not question.after.right and question.after.confidence >= threshold
            ),
            key=confidence,
            reverse=True,
        ),
        missed=sorted(
            (question for question in answerable if not question.after.right),
            key=attrgetter("after.rank"),
            reverse=True,
        ),
    )


def _chance(compared: Sequence[Asked]) -> float:
    """The p of the sign test on questions that both systems were asked."""
    changes = [float(question.after.right) - float(question.before.right) for question in compared if question.before]
    return sign_test_of(np.array(changes), numbered([question.faq_id or "" for question in compared]))


def gain(question: Asked) -> float:
    """The increase of the reciprocal rank of the right answer; 0 where there is nothing to compare."""
    if question.before is None or question.before.rank is None or question.after.rank is None:
        return 0.0
    return 1 / question.after.rank - 1 / question.before.rank


def within(places: Sequence[Place], k: int) -> Share:
    """The share of the answerable questions with a right answer among the first `k`."""
    ranks = [place.rank for place in places if place.rank is not None]
    return Share(sum(rank <= k for rank in ranks), len(ranks))


def answered(places: Sequence[Place], threshold: float) -> Share:
    """The share of the questions that are answered at that threshold."""
    return Share(sum(place.confidence >= threshold for place in places), len(places))


def answered_right(places: Sequence[Place], threshold: float) -> Share:
    """The share of the answers given at that threshold that are right."""
    given = [place.right for place in places if place.confidence >= threshold]
    return Share(sum(given), len(given))


def refused(places: Sequence[Place], threshold: float) -> Share:
    """The share of the unanswerable questions that get no answer at that threshold."""
    sure = [place.confidence >= threshold for place in places if place.rank is None]
    return Share(sure.count(False), len(sure))
