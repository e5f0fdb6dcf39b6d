"""The probability that an answer is right: a logistic model of a candidate's score and its leads.

Platt scaling ("Probabilistic Outputs for Support Vector Machines", Platt 1999) with two more features: how far a
candidate stands above the best one with another answer, and above the mean of the third to fifth best. Below the best
the leads are negative, so one model is calibrated at every rank. A monotone map is applied if it lowers the held-out
Brier score (isotonic regression by pool-adjacent-violators; "Transforming Classifier Scores into Accurate Multiclass
Probability Estimates", Zadrozny & Elkan 2002).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.arrays import Flags, Floats, Integers
from app.errors import IndexUnavailable
from app.ranking.adaptation import Densities
from app.ranking.logistic import fit_logistic, sigmoid
from app.ranking.offer import Offer
from app.ranking.unanswerable import Unanswerable

LEAD_CAP = 0.3  # larger leads carry no more information; the lead of a lone candidate is infinite
THIRD_TO_FIFTH = slice(2, 5)  # the third to the fifth best
FOLDS = 5
RIDGE, INTERCEPT_RIDGE = 1e-3, 1e-6  # weak: they only keep the weights finite
DECIMALS = 3  # of fitted numbers; further digits differ between runs by rounding errors of sums


class Evidence(NamedTuple):
    """The features that confidence is computed from, (n,) each."""

    score: Floats
    margin: Floats  # lead over the best candidate with another answer
    lead_over_third_to_fifth: Floats  # lead over the mean of the third to fifth best


class Calibration(BaseModel):
    """P(right) = (1 - u) map(sigmoid(bias + weights * evidence)), the answer threshold, and when to offer several.

    u is the probability that nothing answers the question. Without `unanswerable` u is 0, and the logistic model was
    fitted on unanswerable questions too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    score_weight: float
    margin_weight: float
    crowd_weight: float = 0
    knots: tuple[tuple[float, float], ...] = Field(
        (), description="points of the monotone map: the logistic model's confidence, the mapped one; empty: no map"
    )
    threshold: float = Field(ge=0, le=1)
    offer: Offer = Field(Offer(), description="when several answers are offered, if none reaches the threshold")
    unanswerable: Unanswerable | None = Field(None, description="the probability that nothing answers the question")

    @model_validator(mode="before")
    @classmethod
    def _without_close(cls, value: object) -> object:
        """Ignore the field `close` of earlier bundles and releases, which is no longer used."""
        return {name: field for name, field in value.items() if name != "close"} if isinstance(value, dict) else value

    @property
    def discriminates(self) -> bool:
        """Whether any feature has a positive weight, so that confidence depends on the candidate."""
        return self.score_weight + self.margin_weight + self.crowd_weight > 0

    def at_share(self, share: float) -> "Calibration":
        """The same calibration at another share of unanswerable questions; unchanged without `unanswerable`."""
        if self.unanswerable is None:
            return self
        return self.model_copy(update={"unanswerable": self.unanswerable.model_copy(update={"share": share})})

    def confidence(self, evidence: Evidence, no_answer: float | None = None) -> Floats:
        """P(right) of each candidate of one question, (n,); n may be 0. `no_answer`: as of `no_answer`, if known."""
        margin, lead = clip_lead(evidence.margin), clip_lead(evidence.lead_over_third_to_fifth)
        logits = self.bias + self.score_weight * evidence.score + self.margin_weight * margin + self.crowd_weight * lead
        confidences = _mapped(sigmoid(logits), self.knots)
        return confidences * (1.0 - (self.no_answer(evidence.score) if no_answer is None else no_answer))

    def no_answer(self, scores: Floats) -> float:
        """The probability that nothing answers the question. `scores`: (n,). 0 without scores or `unanswerable`."""
        if self.unanswerable is None or not len(scores):
            return 0.0
        return self.unanswerable.probability(float(scores.max()))


class Calibrated(BaseModel):
    """The calibration of a release, fitted on its bundle's held-out questions, or the reasons why it has none.

    A release without one uses the bundle's calibration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Calibration | None = None
    reranked: Calibration | None = None
    figures: dict[str, float] = Field({}, description="figures measured on the held-out questions")
    problems: tuple[str, ...] = Field((), description="why the ranking, or its reranker, could not be calibrated")
    densities: Densities | None = Field(None, description="the distribution of the logit of u over those questions")
    fitted_for: str | None = Field(None, description="the release whose index the questions were asked of")


def calibrated_of(kept: Mapping[str, Any] | None, release: str) -> Calibrated | None:
    """The calibration stored in an index, or None. Raises IndexUnavailable if it is damaged."""
    try:
        return None if kept is None else Calibrated.model_validate(kept)
    except ValidationError as error:
        raise IndexUnavailable(f"The release {release} is damaged: its calibration cannot be read.") from error


def evidence_of(scores: Floats, answers: Integers) -> Evidence:
    """The evidence for each candidate of one question, (n,); leads are infinite without a rival."""
    rivals = np.sort(scores)[::-1][THIRD_TO_FIFTH].tolist()
    behind = sum(rivals) / len(rivals) if rivals else -np.inf
    return Evidence(np.asarray(scores, dtype=np.float64), margins_of(scores, answers), np.asarray(scores - behind))


def margins_of(scores: Floats, answers: Integers) -> Floats:
    """How far each score stands above the best candidate with another answer, (n,); infinite without one.

    Entries with the same answer do not compete, because each of them is right.
    """
    if not len(scores):
        return np.asarray(scores, dtype=np.float64)
    first = scores.argmax()
    alike = answers == answers[first]
    second = np.where(alike, -np.inf, scores).max()
    return np.asarray(scores - np.where(alike, second, scores[first]))


def clip_lead(leads: Floats) -> Floats:
    """Leads bounded to [-LEAD_CAP, LEAD_CAP]."""
    return np.asarray(np.minimum(np.maximum(leads, -LEAD_CAP), LEAD_CAP))  # half the time of `clip`


def fit(evidence: Evidence, right: Flags, groups: NDArray[np.int64] | None = None) -> Calibration:
    """Fit a calibration on held-out candidates, (n,) each; the candidates of unanswerable questions are all wrong.

    `groups`: the question of each candidate. With it the monotone map is used if it lowers the Brier score on questions
    that it was not fitted on. Features with a negative weight are left out, because confidence must fall with rank. The
    threshold is 0.5; the caller chooses another.
    """
    logistic = _fit_logistic(evidence, right)
    if groups is None or not _isotonic_is_better(evidence, right, groups):
        return logistic
    return logistic.model_copy(update={"knots": _isotonic(logistic.confidence(evidence), right)})


def threshold_for(confidences: Floats, precision: float, least: float = 0.2) -> float:
    """The lowest threshold whose confidences at or above it average at least `precision`. `confidences`: (n,).

    The mean of calibrated confidences varies less on small samples than the share of right answers. The threshold is
    kept within [least, 0.95], so that an extreme sample cannot make the service answer everything or nothing.
    """
    best_first = np.sort(confidences)[::-1]
    if best_first.size == 0:
        return 0.5
    means = np.cumsum(best_first) / np.arange(1, best_first.size + 1)
    reached = np.flatnonzero(means >= precision)
    lowest = float(best_first[reached[-1]]) if reached.size else 0.95
    return float(np.clip(lowest, least, 0.95))


def _fit_logistic(evidence: Evidence, right: Flags) -> Calibration:
    """Fit to Platt's smoothed targets. Features with a negative weight are left out, the most negative first."""
    columns = {
        "score_weight": evidence.score,
        "margin_weight": evidence.margin,
        "crowd_weight": evidence.lead_over_third_to_fifth,
    }
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    kept = list(columns)
    while True:
        ones = np.ones_like(evidence.score)
        features = np.stack([ones, *(_column(columns, name) for name in kept)], axis=1)
        ridge = np.array([INTERCEPT_RIDGE] + [RIDGE] * len(kept))
        bias, *weights = fit_logistic(features, targets, ridge).tolist()
        if min(weights, default=0.0) >= 0:
            break
        kept.pop(int(np.argmin(weights)))
    fitted = dict.fromkeys(columns, 0.0) | dict(zip(kept, weights, strict=True))
    return Calibration(
        bias=round(bias, DECIMALS), **{name: round(value, DECIMALS) for name, value in fitted.items()}, threshold=0.5
    )


def _column(columns: dict[str, Floats], name: str) -> Floats:
    return columns[name] if name == "score_weight" else clip_lead(columns[name])


def _isotonic_is_better(evidence: Evidence, right: Flags, groups: NDArray[np.int64]) -> bool:
    """Whether the map lowers the cross-validated Brier score by more than twice the standard error of the gain."""
    gains = np.zeros(len(right))
    for fold in range(FOLDS):
        held_out = groups % FOLDS == fold
        if not held_out.any() or held_out.all():
            return False
        train, test = (Evidence(*(feature[rows] for feature in evidence)) for rows in (~held_out, held_out))
        logistic = _fit_logistic(train, right[~held_out])
        confidences = logistic.confidence(test)
        mapped = _mapped(confidences, _isotonic(logistic.confidence(train), right[~held_out]))
        gains[held_out] = (confidences - right[held_out]) ** 2 - (mapped - right[held_out]) ** 2
    return bool(gains.mean() > 2 * gains.std() / np.sqrt(len(gains)))


def _isotonic(confidences: Floats, right: Flags) -> tuple[tuple[float, float], ...]:
    """The isotonic regression of right on confidence, as (confidence, probability) points to interpolate between."""
    order = np.argsort(confidences, kind="stable")
    blocks: list[tuple[float, float, int]] = []  # sum of confidences, number right, count
    for confidence, is_right in zip(confidences[order], right[order], strict=True):
        blocks.append((float(confidence), float(is_right), 1))
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = (blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2] + last[2])
    points = [(x / n, (y + x / n) / (n + 1)) for x, y, n in blocks]  # smoothed by one example at the model's confidence
    highest = 0.0
    knots = []
    for x, y in points:
        highest = max(highest, y)
        knots.append((round(x, DECIMALS), round(highest, DECIMALS)))
    return tuple(knots)


def _mapped(confidences: Floats, knots: tuple[tuple[float, float], ...]) -> Floats:
    if not knots:
        return confidences
    return np.asarray(np.interp(confidences, *_points(knots)))


@lru_cache(8)
def _points(knots: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
    """The points between which confidences are interpolated: the knots, and one at each end."""
    x, y = np.array(knots).T
    return np.concatenate([[0.0], x, [1.0]]), np.concatenate([[y[0] / 2], y, [(1 + y[-1]) / 2]])
