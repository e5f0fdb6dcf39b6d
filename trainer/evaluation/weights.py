"""The weights of phrasings and words and the calibration, fitted on held-out questions with a real index."""

import logging
from collections.abc import Sequence

import numpy as np

from app.arrays import Floats
from app.encoding.bundle import HeldOut
from app.ranking import fitting as calibrating
from app.ranking.defaults import DEFAULTS, LEXICAL_WEIGHT, PRECISION, QUESTION_WEIGHT
from app.ranking.heldout import Outcome, sample
from app.ranking.ranking import Ranking, combined
from app.ranking.scored import Scored
from app.ranking.unanswerable import DEFAULT_SHARE
from trainer.evaluation.served import Served

MAX_QUESTIONS = 1500  # more do not change the fit
WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))
LEXICAL_WEIGHTS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03)
MANY_PHRASINGS, MANY_WEIGHT = 8, 0.8
QUESTION_UNIT, LEXICAL_UNIT = 0.2, 0.01  # of a distance from the usual weights
EXPECTED_LOSS, SPREAD, TRANSFER = 0.01, 0.01, 0.02  # per unit, in MRR: mean and deviation of the change on
# other FAQs, and the distance of held-out phrasings from real questions; see docs/log.md

log = logging.getLogger("trainer")


def chosen(heldout: Sequence[HeldOut]) -> list[HeldOut]:
    """The held-out questions to fit on: all, or the same sample of MAX_QUESTIONS each time."""
    answerable = [question.faq_id is not None or question.answer is not None for question in heldout]
    return [heldout[i] for i in sample([question.question for question in heldout], answerable, MAX_QUESTIONS)]


def calibrate(
    index: Served, heldout: Sequence[HeldOut], precision: float = PRECISION, unanswerable_share: float = DEFAULT_SHARE
) -> Ranking:
    """The ranking for a bundle. Its thresholds are the defaults if too few questions are held out to choose them."""
    stated = {"target_precision": precision, "unanswerable_share": unanswerable_share}
    outcomes = index.ask_heldout(chosen(heldout))
    if not outcomes:
        calibration = DEFAULTS.calibration.at_share(unanswerable_share)
        return DEFAULTS.model_copy(update={**stated, "calibration": calibration})
    phrasing, lexical = choose_weights(outcomes)
    ranking = DEFAULTS.model_copy(update={**stated, "question_weight": phrasing, "lexical_weight": lexical})
    calibrated = calibrating.calibrate(outcomes, ranking)
    for problem in calibrated.problems:
        log.warning("Thresholds are the defaults. %s", problem)
    calibration = calibrated.calibration or calibrating.shrunk([Scored.of(outcome, ranking) for outcome in outcomes])
    return ranking.model_copy(update={"calibration": calibration.at_share(unanswerable_share)})


def choose_weights(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The weights of phrasings and of words: the usual ones, unless others clearly gain on held-out questions.

    The gain in MRR of other weights has a prior from other FAQs, where other weights lose on average. The gains on
    held-out questions are the likelihood; their distance from real questions adds to its variance. The weights with
    the largest posterior mean are returned. Questions that were compared with answers alone are left out, because they
    do not depend on the weight of phrasings.
    """
    usual = usual_weight(outcomes), LEXICAL_WEIGHT
    phrased = [
        outcome
        for outcome in outcomes
        if outcome.answerable and not outcome.bare and (outcome.features.matched >= 0).any()
    ]
    if not phrased:
        return usual
    features = Stacked(phrased)
    before = features.gains(*usual)
    pairs = [(phrasing, words) for phrasing in WEIGHTS for words in LEXICAL_WEIGHTS]
    expected = {pair: _expected(features.gains(*pair) - before, _distance(pair, usual)) for pair in pairs}
    best = max(expected, key=expected.__getitem__)
    return best if expected[best] > 0 else usual


def _expected(gains: Floats, distance: float) -> float:
    """The posterior mean of the gain. `gains`: (questions,); `distance`: squared, from the usual weights."""
    if not distance:
        return 0.0
    noise = float(gains.var()) / len(gains) + TRANSFER**2 * distance
    spread = SPREAD**2 * distance
    return (float(gains.mean()) * spread - EXPECTED_LOSS * distance * noise) / (spread + noise)


def _distance(pair: tuple[float, float], usual: tuple[float, float]) -> float:
    phrasing, words = (weight - default for weight, default in zip(pair, usual, strict=True))
    return (phrasing / QUESTION_UNIT) ** 2 + (words / LEXICAL_UNIT) ** 2


def usual_weight(outcomes: Sequence[Outcome]) -> float:
    """The default weight of phrasings, which is higher if entries have many of them; see docs/log.md."""
    counts = [len(payload["phrasings"]) for outcome in outcomes for payload in outcome.hits.payloads()]
    return MANY_WEIGHT if counts and float(np.mean(counts)) >= MANY_PHRASINGS else QUESTION_WEIGHT


class Stacked:
    """The features of all questions' candidates in arrays of (questions, most candidates)."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        shape = len(outcomes), max(len(outcome.hits) for outcome in outcomes)
        self._answer, self._phrasing, self._lexical = (np.full(shape, -np.inf) for _ in range(3))
        self._right = np.zeros(shape, dtype=bool)
        for row, outcome in enumerate(outcomes):
            n, features = len(outcome.hits), outcome.features
            self._answer[row, :n], self._phrasing[row, :n] = features.answer, features.phrasing
            self._lexical[row, :n], self._right[row, :n] = features.lexical, outcome.right
        self._absent = ~np.isfinite(self._answer)

    def gains(self, question_weight: float, lexical_weight: float) -> Floats:
        """The reciprocal rank of each question's best right candidate, (questions,); 0 without a right candidate."""
        with np.errstate(invalid="ignore"):
            scores = combined(self._answer, self._phrasing, self._lexical, question_weight, lexical_weight)
        scores[self._absent] = -np.inf
        right = np.where(self._right, scores, -np.inf).max(axis=1, keepdims=True)
        places = 1 + (scores > right).sum(axis=1)
        return np.where(self._right.any(axis=1), 1 / places, 0.0)
