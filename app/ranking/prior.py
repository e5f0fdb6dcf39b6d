"""The calibration of other FAQs, which serves as a prior for the calibration of one FAQ.

Held-out phrasings differ from real questions: on some FAQs they are harder, on others easier. The prior calibration is
fitted on the real questions of several families of FAQs. The FAQ's own held-out questions shift and scale its logit
under a Gaussian prior. This is a MAP estimate: the more questions, the farther it moves from the prior.

There are two logistic models. P(the candidate is right | something answers) depends on the candidate's leads, at ranks
1 to 5. P(nothing answers) depends on the best score and on the mean best score of this FAQ's near misses, which are its
held-out questions without the entries that answer them.

`python -m benchmarks.generalize constants` prints the constants. All families have the same weight. Unanswerable
examples are real ones, near misses and the out-of-scope bank (data/out_of_scope.jsonl) in the ratio 1 : 1 : 0.3.
"""

from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Floats
from app.ranking.calibration import Calibration
from app.ranking.logistic import fit_logistic, logit
from app.ranking.offer import Offer
from app.ranking.unanswerable import Unanswerable, log_odds

NEAR_MISS = 0.55  # the mean best score of near misses, for a FAQ without any
SHIFT_RIDGE, SCALE_RIDGE = 11.0, 44.0  # of the FAQ's shift and scale: standard deviations .3 and .15 around (0, 1)
THRESHOLD, OFFER_THRESHOLD = 0.7, 0.45  # for a FAQ with too few held-out questions
DECIMALS = 3


class Prior(NamedTuple):
    """The two logistic models, fitted on other FAQs."""

    bias: float
    margin_weight: float
    crowd_weight: float
    no_answer_bias: float
    score_weight: float
    near_miss_weight: float


OTHER_FAQS = Prior(-1.447, 11.536, 5.15, no_answer_bias=0.465, score_weight=-7.599, near_miss_weight=4.98)


def across(near_misses: Floats | None = None, prior: Prior = OTHER_FAQS) -> Calibration:
    """The calibration of other FAQs. `near_misses`: the best scores of questions without their entries, (n,)."""
    nearness = float(near_misses.mean()) if near_misses is not None and len(near_misses) else NEAR_MISS
    no_answer = round(prior.no_answer_bias + prior.near_miss_weight * nearness, DECIMALS)
    return Calibration(
        bias=prior.bias,
        score_weight=0.0,
        margin_weight=prior.margin_weight,
        crowd_weight=prior.crowd_weight,
        threshold=THRESHOLD,
        offer=Offer(threshold=OFFER_THRESHOLD),
        unanswerable=Unanswerable(bias=no_answer, score_weight=prior.score_weight),
    )


def moved_unanswerable(unanswerable: Unanswerable, best: Floats, nothing: Flags) -> Unanswerable:
    """The model of P(nothing answers) with its logit shifted and scaled to fit real questions, (n,) both.

    `best`: the best score of each question; `nothing`: whether nothing answers it, both kinds among them. Their share
    here says nothing of the share that users ask, so it only moves the odds (`app.ranking.unanswerable`).
    """
    here = log_odds(float(nothing.mean())) - log_odds(unanswerable.trained_share)
    logits = np.array([unanswerable.logit(score) for score in best.tolist()]) + here
    features = np.stack([np.ones_like(logits), logits], axis=1)
    ridge, prior = np.array([SHIFT_RIDGE, SCALE_RIDGE]), np.array([0.0, 1.0])
    shift, scale = fit_logistic(features, nothing.astype(np.float64), ridge, prior).tolist()
    scale = max(scale, 0.0)
    bias = shift + scale * (unanswerable.bias + here) - here
    changes = {"bias": round(bias, DECIMALS), "score_weight": round(scale * unanswerable.score_weight, DECIMALS)}
    return unanswerable.model_copy(update=changes)


def moved(calibration: Calibration, confidences: Floats, right: Flags) -> Calibration:
    """The calibration with its logit shifted and scaled to fit the candidates of answerable questions, (n,) both.

    `confidences`: the calibration's P(right | something answers) of the candidates.
    """
    features = np.stack([np.ones_like(confidences), logit(confidences)], axis=1)
    ridge, prior = np.array([SHIFT_RIDGE, SCALE_RIDGE]), np.array([0.0, 1.0])
    shift, scale = fit_logistic(features, right.astype(np.float64), ridge, prior).tolist()
    scale = max(scale, 0.0)
    weights = ("score_weight", "margin_weight", "crowd_weight")
    changes = {name: round(scale * getattr(calibration, name), DECIMALS) for name in weights}
    return calibration.model_copy(update={**changes, "bias": round(shift + scale * calibration.bias, DECIMALS)})
