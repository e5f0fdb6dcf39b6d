"""The weights of phrasings and words and the calibration, fitted on held-out questions with a real index."""

import logging
from collections.abc import Sequence

import numpy as np

from app.arrays import Floats
from app.encoding.bundle import HeldOut
from app.ranking import fitting as calibrating
from app.ranking.calibration import Calibration
from app.ranking.fitting import MIN_QUESTIONS
from app.ranking.heldout import Outcome, sample
from app.ranking.offer import Offer
from app.ranking.ranking import Ranking, combined
from trainer.evaluation.served import Served

MAX_QUESTIONS = 1500  # more teach nothing new
PRECISION = 0.905  # what the answers above the threshold average on held-out questions; real ones do better
OFFER_PRECISION = 0.72  # likewise of offers of two or three answers
WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))
LEXICAL_WEIGHTS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03)
QUESTION_WEIGHT, LEXICAL_WEIGHT = 0.6, 0.01
MANY_PHRASINGS, MANY_WEIGHT = 8, 0.8

# Of the base model; see benchmarks/default_calibration.py, which prints them.
DEFAULTS = Ranking(
    question_weight=QUESTION_WEIGHT,
    lexical_weight=LEXICAL_WEIGHT,
    calibration=Calibration(
        bias=-3.43,
        score_weight=2.51,
        margin_weight=10.3,
        crowd_weight=6.42,
        threshold=0.65,
        offer=Offer(two=(0.07, 0.96), three=(0.08, 1.02), threshold=0.63),
    ),
    target_precision=PRECISION,
    offer_precision=OFFER_PRECISION,
)

log = logging.getLogger("trainer")


def chosen(heldout: Sequence[HeldOut]) -> list[HeldOut]:
    """The held-out questions to fit on: all, or a sample that stays the same."""
    answerable = [one.faq_id is not None or one.answer is not None for one in heldout]
    return [heldout[i] for i in sample([one.question for one in heldout], answerable, MAX_QUESTIONS)]


def calibrate(index: Served, heldout: Sequence[HeldOut], precision: float = PRECISION) -> Ranking:
    """The ranking for a bundle; the defaults where too little is held out."""
    outcomes = index.ask_heldout(chosen(heldout))
    defaults = DEFAULTS.model_copy(update={"target_precision": precision})
    if sum(one.answerable for one in outcomes) < MIN_QUESTIONS:
        return defaults
    phrasing, lexical = choose_weights(outcomes)
    ranking = defaults.model_copy(update={"question_weight": phrasing, "lexical_weight": lexical})
    fitted = calibrating.calibrate(outcomes, ranking)
    for problem in fitted.problems:
        log.warning("The default calibration is kept. %s", problem)
    return ranking.model_copy(update={"calibration": fitted.calibration}) if fitted.calibration else ranking


def choose_weights(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The weights of phrasings and of words next to the defaults, of those that tie with the best MRR.

    What is within one standard error of the best ties with it ("Classification and Regression Trees", Breiman et al.
    1984, 3.4.3): held-out phrasings, which are made to differ, share fewer words than real questions do. Questions that
    were compared with answers alone say nothing about phrasings: where too few others are left, the weight of these
    stays as it is.
    """
    answerable = [one for one in outcomes if one.answerable]
    phrased = [one for one in answerable if not one.bare and (one.features.matched >= 0).any()]
    usual = usual_weight(answerable)
    weights: tuple[float, ...] = WEIGHTS if len(phrased) >= MIN_QUESTIONS else (usual,)
    features = Stacked(phrased if len(weights) > 1 else answerable)
    found = {(phrasing, words): features.gains(phrasing, words) for phrasing in weights for words in LEXICAL_WEIGHTS}
    best = max(found.values(), key=lambda gains: float(gains.mean()))
    good = [pair for pair, gains in found.items() if (best - gains).mean() <= _standard_error(best - gains)]
    return min(good, key=lambda pair: abs(pair[0] - usual) + 20 * abs(pair[1] - LEXICAL_WEIGHT))


def usual_weight(outcomes: Sequence[Outcome]) -> float:
    """The default weight of phrasings, which counts for more where entries have many: see docs/log.md."""
    counts = [len(candidate.questions) for one in outcomes for candidate in one.candidates]
    return MANY_WEIGHT if counts and float(np.mean(counts)) >= MANY_PHRASINGS else QUESTION_WEIGHT


def _standard_error(values: Floats) -> float:
    return float(values.std() / np.sqrt(len(values)))


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
