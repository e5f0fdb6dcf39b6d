"""From scores to the probability that an answer is right: a logistic model of a candidate's score and its leads.

Platt scaling ("Probabilistic Outputs for Support Vector Machines", Platt 1999) with two more features: how far a
candidate stands above the best one with another answer, and above the mean of the third to fifth best. Below the best
the leads are negative, so one model is calibrated at every rank. A monotone map follows where it lowers the held-out
Brier score (isotonic regression by pool-adjacent-violators; "Transforming Classifier Scores into Accurate Multiclass
Probability Estimates", Zadrozny & Elkan 2002).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.arrays import Flags, Floats
from app.errors import IndexUnavailable
from app.ranking.logistic import fit_logistic, sigmoid
from app.ranking.offer import Offer
from app.ranking.unanswerable import Unanswerable

LEAD_CAP = 0.3  # beyond it a lead says nothing new, and a lone candidate has no rival at all
THIRD_TO_FIFTH = slice(2, 5)  # the third to the fifth best
FOLDS = 5
RIDGE, INTERCEPT_RIDGE = 1e-3, 1e-6  # weak: they only keep weights finite
DECIMALS = 3  # of what is fitted: more would differ from one run to the next by the last bits of sums


class Evidence(NamedTuple):
    """What confidence is made of, all (n,) alike."""

    score: Floats
    margin: Floats  # lead over the best candidate with another answer
    lead_over_third_to_fifth: Floats  # lead over the mean of the third to fifth best


class Calibration(BaseModel):
    """P(right) = (1 - u) map(sigmoid(bias + weights * evidence)), the answer threshold, and when to offer several.

    u is the probability that nothing answers the question. Without `unanswerable` it is 0, and the logistic model has
    learned from unanswerable questions too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    score_weight: float
    margin_weight: float
    crowd_weight: float = 0
    knots: tuple[tuple[float, float], ...] = Field(
        (), description="the monotone map, as points from the logistic model's confidence to the right one; none: as is"
    )
    threshold: float = Field(ge=0, le=1)
    offer: Offer = Field(Offer(), description="what is offered to choose from where nothing reaches the threshold")
    unanswerable: Unanswerable | None = Field(None, description="the probability that nothing answers the question")

    @model_validator(mode="before")
    @classmethod
    def _without_close(cls, value: object) -> object:
        """Earlier bundles and releases have a `close`, which decided nothing that is decided now."""
        return {name: field for name, field in value.items() if name != "close"} if isinstance(value, dict) else value

    @property
    def discriminates(self) -> bool:
        """Whether it tells right from wrong at all."""
        return self.score_weight + self.margin_weight + self.crowd_weight > 0

    def at_share(self, share: float) -> "Calibration":
        """The same for another share of unanswerable questions, where it knows how likely these are."""
        if self.unanswerable is None:
            return self
        return self.model_copy(update={"unanswerable": self.unanswerable.model_copy(update={"share": share})})

    def confidence(self, evidence: Evidence) -> Floats:
        """P(right) of each candidate of one question, (n,)."""
        margin, lead = clip_lead(evidence.margin), clip_lead(evidence.lead_over_third_to_fifth)
        logits = self.bias + self.score_weight * evidence.score + self.margin_weight * margin + self.crowd_weight * lead
        confidences = _mapped(sigmoid(logits), self.knots)
        if self.unanswerable is None or not len(confidences):
            return confidences
        return confidences * (1.0 - self.unanswerable.probability(float(evidence.score.max())))


class Calibrated(BaseModel):
    """A release's own calibration, fitted on its bundle's held-out questions asked of its entries, or why it has none.

    Without one the bundle's calibration holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Calibration | None = None
    reranked: Calibration | None = None
    figures: dict[str, float] = Field({}, description="what was measured on the held-out questions")
    problems: tuple[str, ...] = Field((), description="why it, or its reranker, could not be calibrated")


def calibrated_of(kept: Mapping[str, Any] | None, release: str) -> Calibrated | None:
    """The calibration that an index keeps; None: it keeps none. Raises IndexUnavailable if it is damaged."""
    try:
        return None if kept is None else Calibrated.model_validate(kept)
    except ValidationError as error:
        raise IndexUnavailable(f"The release {release} is damaged: its calibration cannot be read.") from error


def evidence_of(scores: Floats, answers: Sequence[str]) -> Evidence:
    """The evidence for each of one question's candidates, (n,); leads are infinite where there is no rival."""
    best_first = np.sort(scores)[::-1]
    rivals = best_first[THIRD_TO_FIFTH]
    behind = float(rivals.mean()) if len(rivals) else -np.inf
    return Evidence(np.asarray(scores, dtype=np.float64), margins_of(scores, answers), np.asarray(scores - behind))


def margins_of(scores: Floats, answers: Sequence[str]) -> Floats:
    """How far each score stands above the best candidate with another answer, (n,); infinite where there is none.

    Entries with one and the same answer do not compete: either is right.
    """
    best: dict[str, float] = {}
    for score, answer in zip(scores, answers, strict=True):
        best[answer] = max(best.get(answer, -np.inf), float(score))
    top = sorted(best.items(), key=lambda item: -item[1])[:2]
    rivals = [next((value for other, value in top if other != answer), -np.inf) for answer in answers]
    return np.asarray(scores - np.array(rivals))


def clip_lead(leads: Floats) -> Floats:
    """Leads bounded to [-LEAD_CAP, LEAD_CAP]."""
    return np.clip(leads, -LEAD_CAP, LEAD_CAP)


def fit(evidence: Evidence, right: Flags, groups: NDArray[np.int64] | None = None) -> Calibration:
    """Fit on held-out candidates, all (n,): unanswerable questions take part with nothing right.

    `groups` says which candidates are of one question; with it the monotone map is tried, by the Brier score on
    questions that it was not fitted on. No weight may be negative, as confidence must fall with rank: a feature that
    would have one is left out. The threshold is 0.5, to be chosen afterwards.
    """
    logistic = _fit_logistic(evidence, right)
    if groups is None or not _isotonic_is_better(evidence, right, groups):
        return logistic
    return logistic.model_copy(update={"knots": _isotonic(logistic.confidence(evidence), right)})


def threshold_for(confidences: Floats, precision: float, least: float = 0.2) -> float:
    """The lowest threshold at which the confidences above it average at least `precision`; (n,) -> one number.

    Averaging calibrated confidences, rather than counting right answers, keeps the choice steady on small samples.
    Kept within [least, 0.95], so that neither an easy nor a hopeless sample silences or unleashes the service.
    """
    best_first = np.sort(confidences)[::-1]
    if best_first.size == 0:
        return 0.5
    means = np.cumsum(best_first) / np.arange(1, best_first.size + 1)
    reached = np.flatnonzero(means >= precision)
    lowest = float(best_first[reached[-1]]) if reached.size else 0.95
    return float(np.clip(lowest, least, 0.95))


def _fit_logistic(evidence: Evidence, right: Flags) -> Calibration:
    """Platt's smoothed targets; features with a negative weight are left out, the worst first."""
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
    found = dict.fromkeys(columns, 0.0) | dict(zip(kept, weights, strict=True))
    return Calibration(
        bias=round(bias, DECIMALS), **{name: round(value, DECIMALS) for name, value in found.items()}, threshold=0.5
    )


def _column(columns: dict[str, Floats], name: str) -> Floats:
    return columns[name] if name == "score_weight" else clip_lead(columns[name])


def _isotonic_is_better(evidence: Evidence, right: Flags, groups: NDArray[np.int64]) -> bool:
    """Whether the map lowers the Brier score, over folds of questions, beyond twice its own standard error."""
    gains = np.zeros(len(right))
    for fold in range(FOLDS):
        apart = groups % FOLDS == fold
        if not apart.any() or apart.all():
            return False
        logistic = _fit_logistic(Evidence(*(one[~apart] for one in evidence)), right[~apart])
        inside, outside = (logistic.confidence(Evidence(*(one[some] for one in evidence))) for some in (~apart, apart))
        mapped = _mapped(outside, _isotonic(inside, right[~apart]))
        gains[apart] = (outside - right[apart]) ** 2 - (mapped - right[apart]) ** 2
    return bool(gains.mean() > 2 * gains.std() / np.sqrt(len(gains)))


def _isotonic(confidences: Floats, right: Flags) -> tuple[tuple[float, float], ...]:
    """The non-decreasing steps nearest to what was right, as points between which it is drawn straight."""
    order = np.argsort(confidences, kind="stable")
    blocks: list[tuple[float, float, int]] = []  # sum of confidences, of rights, count
    for confidence, one in zip(confidences[order], right[order], strict=True):
        blocks.append((float(confidence), float(one), 1))
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = (blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2] + last[2])
    points = [(x / n, (y + x / n) / (n + 1)) for x, y, n in blocks]  # one example of what the model said
    highest = 0.0
    found = []
    for x, y in points:
        highest = max(highest, y)
        found.append((round(x, DECIMALS), round(highest, DECIMALS)))
    return tuple(found)


def _mapped(confidences: Floats, knots: Sequence[tuple[float, float]]) -> Floats:
    if not knots:
        return confidences
    x, y = np.array(knots).T
    ends = np.concatenate([[0.0], x, [1.0]]), np.concatenate([[y[0] / 2], y, [(1 + y[-1]) / 2]])
    return np.asarray(np.interp(confidences, *ends))
