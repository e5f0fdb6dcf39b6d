"""Whether the estimated share of unanswerable questions suits questions with a known answer better than the stated one.

The golden questions judge `FAQ_ADAPT_CONFIDENCE=on` only as far as they are like the questions that users ask: of two
shares, they favour the one that is nearer to their own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.arrays import Floats
from app.golden.judging import Outcome
from app.ranking.unanswerable import change


class ShareJudged(NamedTuple):
    """The stated and the estimated share, and the Brier score of the best entries' confidences at either; lower is
    better."""

    stated: float
    estimated: float
    brier_stated: float
    brier_estimated: float

    def __str__(self) -> str:
        better = "suits" if self.brier_estimated < self.brier_stated else "does not suit"
        return (
            f"The estimated share of unanswerable questions, {self.estimated:.2f}, {better} the golden questions "
            f"better than the stated {self.stated:.2f}: "
            f"Brier score {self.brier_stated:.3f} -> {self.brier_estimated:.3f}."
        )


def judge_share(outcomes: Sequence[Outcome], stated: float, estimated: float) -> ShareJudged:
    """The outcomes' confidences, which are at the stated share, against those at the estimated one."""
    right = np.array([outcome.best_right for outcome in outcomes], dtype=np.float64)
    before = np.array([outcome.confidence for outcome in outcomes])
    factors = np.array([change(outcome.unanswerable, stated, estimated) for outcome in outcomes])
    return ShareJudged(stated, estimated, _brier(before, right), _brier(np.clip(before * factors, 0, 1), right))


def _brier(confidences: Floats, right: Floats) -> float:
    return float(((confidences - right) ** 2).mean())
