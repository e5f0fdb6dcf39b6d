"""The joint probability that the right answer is among the best two or three, for questions without a clear answer.

The confidences of the best k with different answers are summed, and a logistic model of that sum, fitted on held-out
questions, gives the joint probability Q_k = max(Q_{k-1}, sigmoid(a_k + b_k logit(min(1, sum)))), with Q_1 the best
one's confidence. It never falls with k.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.arrays import Flags, Floats
from app.ranking.logistic import fit_logistic, logit, logit_of, sigmoid, sigmoid_of

MOST = 3  # answers that are offered to choose from
SIZES = range(2, MOST + 1)
RIDGE = 4.0  # towards (0, 1), with the weight of about 20 questions
DECIMALS = 3
DEFAULT_THRESHOLD, LOWEST = 0.5, 0.3

Map = tuple[float, float]  # a_k and b_k


class Offer(BaseModel):
    """The joint probability of the best two and three, and the threshold from which they are offered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    two: Map = Field((0.0, 1.0), description="a and b for the best two")
    three: Map = Field((0.0, 1.0), description="a and b for the best three")
    threshold: float = Field(
        DEFAULT_THRESHOLD, ge=0, le=1, description="the joint probability from which answers are offered"
    )

    def joint(self, best: Floats) -> Floats:
        """Q_1, Q_2, Q_3 of questions, (n, up to 3), from the confidences of their best, (n, up to 3), best first."""
        columns = [best[:, 0]]
        for size, (intercept, slope) in zip(SIZES, (self.two, self.three), strict=True):
            if size > best.shape[1]:
                break
            total = np.minimum(1.0, best[:, :size].sum(axis=1))
            columns.append(np.maximum(columns[-1], sigmoid(intercept + slope * logit(total))))
        return np.stack(columns, axis=1)

    def size(self, best: Sequence[float], threshold: float) -> int | None:
        """2 or 3: the fewest best answers whose joint probability reaches the threshold. None where neither reaches it.

        `best`: the confidences of the best with different answers, best first.
        """
        joint = best[0] if best else 0.0
        for size, (intercept, slope) in zip(SIZES, (self.two, self.three), strict=True):
            if size > len(best):
                break
            joint = max(joint, sigmoid_of(intercept + slope * logit_of(min(1.0, sum(best[:size])))))
            if joint >= threshold:
                return size
        return None


def fit_offer(best: Floats, right: Flags) -> Offer:
    """Fit both maps. `best`: the confidences of the best three of each question; `right`: which is right, (n, 3) both.

    A question with fewer candidates has 0 and False in the missing places. The threshold is the default.
    """
    maps = [_fit_map(np.minimum(1.0, best[:, :k].sum(axis=1)), np.asarray(right[:, :k].any(axis=1))) for k in SIZES]
    return Offer(two=maps[0], three=maps[1])


def _fit_map(totals: Floats, right: Flags) -> Map:
    """a and b, with b >= 0 and a ridge towards (0, 1)."""
    targets = right.astype(np.float64)
    features = np.stack([np.ones_like(totals), logit(totals)], axis=1)
    intercept, slope = fit_logistic(features, targets, np.full(2, RIDGE), np.array([0.0, 1.0]))
    if slope < 0:
        slope = 0.0
        intercept = fit_logistic(features[:, :1], targets, np.full(1, RIDGE))[0]
    return round(float(intercept), DECIMALS), round(float(slope), DECIMALS)


def offer_threshold(joint: Floats, precision: float) -> float:
    """The lowest threshold at which offers hold the right answer with at least that probability, on average.

    `joint`: Q_1 to Q_3 of questions that are not answered, (n, 3). An offer is the best two, or else three, whose
    joint probability reaches the threshold. The threshold is at least 0.3 and at most the precision, at which each
    single offer reaches the precision.
    """
    two, three = joint[:, 1], joint[:, 2]
    reached = precision
    for threshold in np.unique(joint[:, 1:])[::-1]:  # highest first
        offered = np.where(two >= threshold, two, three)[three >= threshold]
        if offered.mean() >= precision:
            reached = min(reached, float(threshold))
    return max(LOWEST, reached)
