"""The probability that nothing answers a question, at a stated share of such questions.

A logistic model of the best candidate's score gives u at the share that it was trained at. Another share changes only
the odds: with A = (1 - share) / (1 - trained) and B = share / trained, u' = B u / (A (1 - u) + B u), and
the probabilities of all answers are multiplied by (1 - u') / (1 - u). This is exact as long as the distributions of
answerable and of unanswerable questions stay the same ("Adjusting the Outputs of a Classifier to New a Priori
Probabilities", Saerens et al. 2002, doi 10.1162/089976602753284446).
"""

import math

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_SHARE = 0.2
LEAST_SHARE, MOST_SHARE = 0.001, 0.95
LOGIT_BOUND = 30.0


class Unanswerable(BaseModel):
    """u = sigmoid(bias + score_weight * the best score), shifted from the share trained at to the one stated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    score_weight: float = Field(le=0)
    trained_share: float = Field(DEFAULT_SHARE, gt=0, lt=1)
    share: float = Field(DEFAULT_SHARE, gt=0, lt=1, description="of the questions that nothing answers")

    def logit(self, best: float) -> float:
        """The logit of u at the share trained at, for the question whose best candidate scores `best`."""
        return self.bias + self.score_weight * best

    def probability(self, best: float) -> float:
        """The probability that nothing answers the question whose best candidate scores `best`."""
        shift = log_odds(self.share) - log_odds(self.trained_share)
        return 1.0 / (1.0 + math.exp(-min(max(self.logit(best) + shift, -LOGIT_BOUND), LOGIT_BOUND)))


def log_odds(share: float) -> float:
    """log(share / (1 - share)), of a share between 0 and 1."""
    return math.log(share) - math.log1p(-share)


def change(unanswerable: float, before: float, now: float) -> float:
    """The factor of the probabilities of all answers to a question when the share changes from `before` to `now`.

    `unanswerable`: the probability that nothing answers the question, at the share `before`.
    """
    answerable_ratio, unanswerable_ratio = (1 - now) / (1 - before), now / before
    return answerable_ratio / (answerable_ratio * (1 - unanswerable) + unanswerable_ratio * unanswerable)
