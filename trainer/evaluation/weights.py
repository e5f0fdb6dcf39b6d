"""The weights of phrasings and words and the calibration, fitted on held-out questions with a real index."""

import logging
from collections.abc import Sequence

import numpy as np

from app.arrays import Floats
from app.encoding.bundle import HeldOut
from app.ranking import fitting as calibrating
from app.ranking import prior
from app.ranking.heldout import Outcome, sample
from app.ranking.ranking import Ranking, combined
from app.ranking.scored import Scored
from app.ranking.unanswerable import DEFAULT_SHARE
from trainer.evaluation.served import Served

MAX_QUESTIONS = 1500  # more teach nothing new
PRECISION = 0.8  # what the answers above the threshold average on held-out questions; real ones do better
OFFER_PRECISION = 0.64  # the same for offers of two or three answers; chosen on the sample FAQ, see docs/log.md
WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))
LEXICAL_WEIGHTS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03)
QUESTION_WEIGHT, LEXICAL_WEIGHT = 0.7, 0.01
MANY_PHRASINGS, MANY_WEIGHT = 8, 0.8
QUESTION_UNIT, LEXICAL_UNIT = 0.2, 0.01  # of a distance from the usual weights
EXPECTED_LOSS, SPREAD, TRANSFER = 0.01, 0.01, 0.02  # a unit away, in MRR: mean and deviation of what other FAQs gain,
# and how far held-out phrasings are from real questions; see docs/log.md

# Of other FAQs: benchmarks/generalize prints them.
DEFAULTS = Ranking(
    question_weight=QUESTION_WEIGHT,
    lexical_weight=LEXICAL_WEIGHT,
    calibration=prior.across(),
    target_precision=PRECISION,
    offer_precision=OFFER_PRECISION,
)

log = logging.getLogger("trainer")


def chosen(heldout: Sequence[HeldOut]) -> list[HeldOut]:
    """The held-out questions to fit on: all, or a sample that stays the same."""
    answerable = [one.faq_id is not None or one.answer is not None for one in heldout]
    return [heldout[i] for i in sample([one.question for one in heldout], answerable, MAX_QUESTIONS)]


def calibrate(
    index: Served, heldout: Sequence[HeldOut], precision: float = PRECISION, unanswerable_share: float = DEFAULT_SHARE
) -> Ranking:
    """The ranking for a bundle. Where too little is held out to choose thresholds by, these are the defaults."""
    stated = {"target_precision": precision, "unanswerable_share": unanswerable_share}
    outcomes = index.ask_heldout(chosen(heldout))
    if not outcomes:
        calibration = DEFAULTS.calibration.at_share(unanswerable_share)
        return DEFAULTS.model_copy(update={**stated, "calibration": calibration})
    phrasing, lexical = choose_weights(outcomes)
    ranking = DEFAULTS.model_copy(update={**stated, "question_weight": phrasing, "lexical_weight": lexical})
    found = calibrating.calibrate(outcomes, ranking)
    for problem in found.problems:
        log.warning("Thresholds are the defaults. %s", problem)
    calibration = found.calibration or calibrating.shrunk([Scored.of(outcome, ranking) for outcome in outcomes])
    return ranking.model_copy(update={"calibration": calibration.at_share(unanswerable_share)})


def choose_weights(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The weights of phrasings and of words: the usual ones, unless held-out questions gain clearly by others.

    The gain of others in MRR has a prior from other FAQs, on which leaving the usual weights costs; held-out phrasings
    are the likelihood, less their distance from real questions. The largest posterior mean is taken. Questions that
    were compared with answers alone say nothing about phrasings and are left out.
    """
    usual = usual_weight(outcomes), LEXICAL_WEIGHT
    phrased = [one for one in outcomes if one.answerable and not one.bare and (one.features.matched >= 0).any()]
    if not phrased:
        return usual
    features = Stacked(phrased)
    before = features.gains(*usual)
    pairs = [(phrasing, words) for phrasing in WEIGHTS for words in LEXICAL_WEIGHTS]
    expected = {pair: _expected(features.gains(*pair) - before, _distance(pair, usual)) for pair in pairs}
    best = max(expected, key=expected.__getitem__)
    return best if expected[best] > 0 else usual


def _expected(gains: Floats, distance: float) -> float:
    """The posterior mean of the gain of weights at that squared distance from the usual ones, by (questions,) gains."""
    if not distance:
        return 0.0
    noise = float(gains.var()) / len(gains) + TRANSFER**2 * distance
    spread = SPREAD**2 * distance
    return (float(gains.mean()) * spread - EXPECTED_LOSS * distance * noise) / (spread + noise)


def _distance(pair: tuple[float, float], usual: tuple[float, float]) -> float:
    phrasing, words = (one - other for one, other in zip(pair, usual, strict=True))
    return (phrasing / QUESTION_UNIT) ** 2 + (words / LEXICAL_UNIT) ** 2


def usual_weight(outcomes: Sequence[Outcome]) -> float:
    """The default weight of phrasings, which counts for more where entries have many: see docs/log.md."""
    counts = [len(candidate.questions) for one in outcomes for candidate in one.candidates]
    return MANY_WEIGHT if counts and float(np.mean(counts)) >= MANY_PHRASINGS else QUESTION_WEIGHT


class Stacked:
    """The features of many questions' candidates side by side, (questions, most candidates) each."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        shape = len(outcomes), max(len(one.candidates) for one in outcomes)
        self._answer, self._phrasing, self._lexical = (np.full(shape, -np.inf) for _ in range(3))
        self._right = np.zeros(shape, dtype=bool)
        for row, one in enumerate(outcomes):
            n, features = len(one.candidates), one.features
            self._answer[row, :n], self._phrasing[row, :n] = features.answer, features.phrasing
            self._lexical[row, :n], self._right[row, :n] = features.lexical, one.right
        self._absent = ~np.isfinite(self._answer)

    def gains(self, question_weight: float, lexical_weight: float) -> Floats:
        """The reciprocal rank of each question's best right candidate, (questions,); 0 where none was found."""
        with np.errstate(invalid="ignore"):
            scores = combined(self._answer, self._phrasing, self._lexical, question_weight, lexical_weight)
        scores[self._absent] = -np.inf
        right = np.where(self._right, scores, -np.inf).max(axis=1, keepdims=True)
        places = 1 + (scores > right).sum(axis=1)
        return np.where(self._right.any(axis=1), 1 / places, 0.0)
