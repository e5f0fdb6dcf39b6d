"""Held-out questions with scored candidates, which calibrations are fitted on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers
from app.ranking.adaptation import Densities
from app.ranking.calibration import Calibration
from app.ranking.heldout import Outcome
from app.ranking.ranking import Ranking, reranked_scores


class Scored(NamedTuple):
    """One question's candidates, (n,) each, best first."""

    scores: Floats
    answers: Integers  # equal for the same answer
    right: Flags
    entry: str  # the first id of the entries that answer it; for an unanswerable question, its text
    answerable: bool
    real: bool = False  # a user asked it; the others are held-out phrasings
    reduced: bool = False  # its right candidates were taken away

    @classmethod
    def of(cls, outcome: Outcome, ranking: Ranking, real: bool = False) -> "Scored":
        """The candidates scored by the ranking."""
        scores = ranking.scores(outcome.features)
        order = np.argsort(-scores, kind="stable")
        entry = min(outcome.relevant, default=f"\x1f{outcome.question.text}")
        return cls(scores[order], outcome.hits.answers[order], outcome.right[order], entry, outcome.answerable, real)

    def reranked(self, reranker: NDArray[np.float32], weight: float) -> "Scored":
        """The same with the reranker's scores, (up to n,), of the first candidates added."""
        scores = reranked_scores(self.scores, reranker, weight)
        order = np.argsort(-scores, kind="stable")
        return self._replace(scores=scores[order], answers=self.answers[order], right=self.right[order])

    def without_answer(self) -> "Scored":
        """The same question without its right candidates, as an index without the right entries would return it."""
        wrong = np.flatnonzero(~self.right)
        return Scored(
            self.scores[wrong], self.answers[wrong], self.right[wrong], self.entry, answerable=False, reduced=True
        )


def densities_of(questions: Sequence[Scored], calibration: Calibration) -> Densities | None:
    """The distribution of the logit of u over answerable and unanswerable questions; None without `unanswerable`.

    Answerable questions without their right answers count as unanswerable too.
    """
    if calibration.unanswerable is None:
        return None
    answerable = [question for question in questions if question.answerable]
    unanswerable = [question for question in questions if not question.answerable]
    unanswerable += [without for question in answerable if len((without := question.without_answer()).scores)]
    logit = calibration.unanswerable.logit
    known, unknown = (
        np.array([logit(float(question.scores[0])) for question in part]) for part in (answerable, unanswerable)
    )
    return Densities.of(known, unknown)
