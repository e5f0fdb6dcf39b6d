"""The calibration of other FAQs, which serves as a prior for the calibration of one FAQ.

Held-out phrasings differ from real questions: on some FAQs they are harder, on others easier. The prior calibration is
fitted on the real questions of several families of FAQs. The FAQ's own held-out questions shift and scale its logits
under a Gaussian prior. This is a MAP estimate: the more questions, the farther it moves from the prior.

There are two logistic models. P(the candidate is right | something answers) depends on the candidate's leads, at ranks
1 to 5. P(nothing answers) depends on the best score and on the mean best score of this FAQ's near misses, which are its
held-out questions without the entries that answer them. Near misses and held-out questions that nothing answers are the
FAQ's own examples of the second model.

`python -m benchmarks.generalize constants` prints the constants. All families have the same weight. Unanswerable
examples are real ones, near misses and the out-of-scope bank (data/out_of_scope.jsonl) in the ratio 1 : 1 : 0.3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Floats
from app.ranking.calibration import Calibration
from app.ranking.logistic import fit_logistic, logit
from app.ranking.offer import Offer
from app.ranking.unanswerable import Unanswerable

NEAR_MISS = 0.55  # the mean best score of near misses, for a FAQ without any
RIDGE = np.array([4.0, 100.0])  # of the FAQ's shift and scale: standard deviations .5 and .1 around (0, 1)
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


OTHER_FAQS = Prior(-1.445, 11.545, 5.137, no_answer_bias=0.465, score_weight=-7.612, near_miss_weight=4.994)


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


def moved(calibration: Calibration, confidences: Floats, right: Flags) -> Calibration:
    """The calibration with its logit shifted and scaled to fit the candidates of answerable questions, (n,) both.

    `confidences`: the calibration's P(right | something answers) of the candidates.
    """
    shift, scale = _shift_and_scale(logit(confidences), right.astype(np.float64))
    weights = ("score_weight", "margin_weight", "crowd_weight")
    changes = {name: round(scale * getattr(calibration, name), DECIMALS) for name in weights}
    return calibration.model_copy(update={**changes, "bias": round(shift + scale * calibration.bias, DECIMALS)})


def moved_unanswerable(model: Unanswerable, answerable: Floats, unanswerable: Sequence[Floats]) -> Unanswerable:
    """The model with its logit shifted and scaled to fit the best scores of questions with and without an answer.

    `unanswerable`: the best scores of each kind of questions without an answer, (n,) each. Kinds have the same weight.
    All of them together have the share that the model was trained at. Without examples of both, the model is unchanged.
    """
    kinds = [kind for kind in unanswerable if len(kind)]
    if not len(answerable) or not kinds:
        return model
    examples = min(len(answerable), sum(map(len, kinds)))
    shares = [1 - model.trained_share, *(model.trained_share / len(kinds) for _ in kinds)]
    parts = [answerable, *kinds]
    counts = np.concatenate(
        [np.full(len(part), examples * share / len(part)) for part, share in zip(parts, shares, strict=True)]
    )
    targets = (np.arange(len(counts)) >= len(answerable)).astype(np.float64)
    logits = model.bias + model.score_weight * np.concatenate(parts)
    shift, scale = _shift_and_scale(logits, targets, counts)
    bias, weight = round(shift + scale * model.bias, DECIMALS), round(scale * model.score_weight, DECIMALS)
    return model.model_copy(update={"bias": bias, "score_weight": weight})


def _shift_and_scale(logits: Floats, targets: Floats, counts: Floats | None = None) -> tuple[float, float]:
    """The shift and the scale, at least 0, with which the logits fit the targets best."""
    features = np.stack([np.ones_like(logits), logits], axis=1)
    shift, scale = fit_logistic(features, targets, RIDGE, np.array([0.0, 1.0]), counts).tolist()
    return shift, max(scale, 0.0)
