"""From a score to the probability that an answer is right: a logistic model of the score and its margin.

Platt scaling (Platt 1999) with one more feature: how far a candidate stands above the best candidate with another
answer. Below the best, the margin is negative, so one model is calibrated at every rank.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]

MARGIN_CAP = 0.3  # beyond it a margin says nothing new, and a lone candidate has no margin at all


class Calibration(BaseModel):
    """P(right) = sigmoid(bias + score_weight * score + margin_weight * margin), and the threshold for answering."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    score_weight: float
    margin_weight: float
    threshold: float = Field(ge=0, le=1)

    def confidence(self, scores: Floats, margins: Floats) -> Floats:
        """P(right) of each candidate; scores and margins are (n,) alike."""
        logits = self.bias + self.score_weight * scores + self.margin_weight * clip_margin(margins)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))))


def clip_margin(margins: Floats) -> Floats:
    """Margins bounded to [-MARGIN_CAP, MARGIN_CAP]."""
    return np.clip(margins, -MARGIN_CAP, MARGIN_CAP)


def fit(scores: Floats, margins: Floats, right: NDArray[np.bool_], threshold: float = 0.5) -> Calibration:
    """Fit on held-out candidates, all (n,): unanswerable questions take part with nothing right.

    Uses Platt's smoothed targets. Neither weight may be negative, as confidence must fall with rank: a feature that
    would have one is left out.
    """
    ones = np.ones_like(scores)
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    bias, score, margin = _logistic(np.stack([ones, scores, clip_margin(margins)], axis=1), targets)
    if score < 0:
        (bias, margin), score = _logistic(np.stack([ones, clip_margin(margins)], axis=1), targets), 0.0
    elif margin < 0:
        (bias, score), margin = _logistic(np.stack([ones, scores], axis=1), targets), 0.0
    return Calibration(bias=bias, score_weight=max(score, 0), margin_weight=max(margin, 0), threshold=threshold)


def _logistic(features: Floats, targets: Floats) -> list[float]:
    """Weights of the columns, the first being ones; Newton's method, with a weak ridge that keeps them finite."""
    weights = np.zeros(features.shape[1])
    ridge = np.diag([1e-6] + [1e-3] * (features.shape[1] - 1))
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        gradient = features.T @ (p - targets) + ridge @ weights
        hessian = (features * (p * (1 - p))[:, None]).T @ features + ridge
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return [float(weight) for weight in weights]


def threshold_for(confidences: Floats, precision: float) -> float:
    """The lowest threshold at which the confidences above it average at least `precision`; (n,) -> one number.

    Averaging calibrated confidences, rather than counting right answers, keeps the choice steady on small samples.
    Kept within [0.2, 0.95], so that neither an easy nor a hopeless sample silences or unleashes the service.
    """
    best_first = np.sort(confidences)[::-1]
    if best_first.size == 0:
        return 0.5
    means = np.cumsum(best_first) / np.arange(1, best_first.size + 1)
    reached = np.flatnonzero(means >= precision)
    lowest = float(best_first[reached[-1]]) if reached.size else 0.95
    return float(np.clip(lowest, 0.2, 0.95))
