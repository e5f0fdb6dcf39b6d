"""How likely it is that nothing answers a question, at a stated share of such questions.

A logistic model of the best candidate's score gives u, at the share that it was trained at. Another share changes the
odds and nothing else: with A = (1 - share) / (1 - trained) and B = share / trained, u' = B u / (A (1 - u) + B u), and
the probabilities of all answers shrink or grow together by (1 - u') / (1 - u). That is exact as long as answerable and
unanswerable questions look as they did ("Adjusting the Outputs of a Classifier to New a Priori Probabilities", Saerens
et al. 2002, doi 10.1162/089976602753284446).
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.arrays import Floats
from app.ranking.logistic import sigmoid

DEFAULT_SHARE = 0.2
LEAST_SHARE, MOST_SHARE = 0.001, 0.95


class Unanswerable(BaseModel):
    """u = sigmoid(bias + score_weight * the best score), shifted from the share trained at to the one stated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    score_weight: float = Field(le=0)
    trained_share: float = Field(DEFAULT_SHARE, gt=0, lt=1)
    share: float = Field(DEFAULT_SHARE, gt=0, lt=1, description="of the questions that nothing answers")

    def probability(self, best: float) -> float:
        """The probability that nothing answers the question whose best candidate scores `best`."""
        trained = float(sigmoid(np.array([self.bias + self.score_weight * best]))[0])
        return float(shifted(np.array([trained]), self.trained_share, self.share)[0])


def shifted(probabilities: Floats, before: float, now: float) -> Floats:
    """Probabilities of a class that makes up `before` of all, (n,), for a class that makes up `now`."""
    others, own = (1 - now) / (1 - before), now / before
    return np.asarray(own * probabilities / (others * (1 - probabilities) + own * probabilities))
