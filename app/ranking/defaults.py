"""The ranking of a bundle whose own held-out questions do not choose another, fitted on other FAQs.

`python -m benchmarks.generalize` prints what the weights and the calibration are fitted to.
"""

from app.ranking import prior
from app.ranking.ranking import Ranking

QUESTION_WEIGHT, LEXICAL_WEIGHT = 0.7, 0.01
PRECISION = 0.8  # of the answers above the threshold on held-out questions; higher on real questions
OFFER_PRECISION = 0.64  # the same for offers of two or three answers; chosen on the sample FAQ, see docs/log.md

DEFAULTS = Ranking(
    question_weight=QUESTION_WEIGHT,
    lexical_weight=LEXICAL_WEIGHT,
    calibration=prior.across(),
    target_precision=PRECISION,
    offer_precision=OFFER_PRECISION,
)
