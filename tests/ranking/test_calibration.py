"""Confidence: what is fitted is calibrated, on questions that it was not fitted on, and falls with rank."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.arrays import Floats
from app.ranking import calibration
from app.ranking.calibration import (
    LEAD_CAP,
    Calibration,
    Evidence,
    evidence_of,
    fit,
    margins_of,
    threshold_for,
)

CALIBRATION = Calibration(bias=-4, score_weight=8, margin_weight=5, crowd_weight=2, threshold=0.5)


def made(n: int, seed: int, highest: float = 1.0) -> tuple[Evidence, NDArray[np.bool_], Floats]:
    """Evidence, what was right, and the probability that it was, which never exceeds `highest`."""
    rng = np.random.default_rng(seed)
    score, margin, crowd = rng.uniform(0, 1, n), rng.uniform(0, 0.2, n), rng.uniform(0, 0.2, n)
    p = 1 / (1 + np.exp(-(-4 + 5 * score + 12 * margin + 4 * crowd)))
    p = np.minimum(p, highest)
    return Evidence(score, margin, crowd), rng.uniform(size=n) < p, p


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    bins = np.array_split(np.argsort(confidence), 10)
    return float(np.mean([abs(confidence[some].mean() - right[some].mean()) for some in bins]))


def test_margins_are_over_the_best_other_answer() -> None:
    margins = margins_of(np.array([0.9, 0.8, 0.7, 0.85]), np.array([0, 1, 2, 0]))
    np.testing.assert_allclose(margins, [0.1, -0.1, -0.2, 0.05])
    assert np.isinf(margins_of(np.array([0.5, 0.4]), np.array([0, 0]))).all()
    assert np.isinf(margins_of(np.array([0.5]), np.array([0]))).all()


def test_the_third_to_fifth_best_are_averaged() -> None:
    evidence = evidence_of(np.array([0.1, 0.9, 0.5, 0.4, 0.3, 0.8]), np.arange(6))
    np.testing.assert_allclose(
        evidence.lead_over_third_to_fifth, np.array([0.1, 0.9, 0.5, 0.4, 0.3, 0.8]) - 0.4, atol=1e-9
    )
    assert np.isinf(evidence_of(np.array([0.9, 0.5]), np.array([0, 1])).lead_over_third_to_fifth).all()


def test_a_lone_candidate_has_the_full_lead() -> None:
    alone = CALIBRATION.confidence(evidence_of(np.array([0.5]), np.array([0])))
    capped = CALIBRATION.confidence(Evidence(np.array([0.5]), np.array([LEAD_CAP]), np.array([LEAD_CAP])))
    assert alone == capped


def test_the_fit_finds_the_probabilities() -> None:
    evidence, right, p = made(4000, 0)
    fitted = fit(evidence, right)
    assert np.abs(fitted.confidence(evidence) - p).mean() < 0.02
    assert fitted.knots == ()


def test_a_feature_that_speaks_against_is_left_out() -> None:
    evidence, right, _ = made(2000, 1)
    fitted = fit(Evidence(evidence.score, -evidence.margin, evidence.lead_over_third_to_fifth), right)
    assert fitted.margin_weight == 0
    assert fitted.score_weight > 0


def test_the_map_is_laid_over_where_it_pays_and_only_there() -> None:
    questions = np.arange(4000)
    plain, right, _ = made(4000, 2)
    assert fit(plain, right, questions).knots == ()
    bent, bent_right, p = made(4000, 2, highest=0.5)
    fitted, logistic = fit(bent, bent_right, questions), fit(bent, bent_right)
    assert fitted.knots
    others, others_right, _ = made(4000, 3, highest=0.5)
    assert calibration_error(fitted.confidence(others), others_right) < calibration_error(
        logistic.confidence(others), others_right
    )
    mapped = fitted.confidence(bent)
    order = np.argsort(logistic.confidence(bent))
    assert (np.diff(mapped[order]) >= -1e-12).all()
    assert np.abs(mapped - p).mean() < 0.05


def test_a_small_sample_stays_finite() -> None:
    evidence = Evidence(np.array([0.9, 0.1]), np.array([0.1, -0.1]), np.array([np.inf, -np.inf]))
    for right in ([True, False], [True, True], [False, False]):
        confidence = fit(evidence, np.array(right), np.array([0, 1])).confidence(evidence)
        assert np.isfinite(confidence).all()


def test_the_threshold_is_the_lowest_that_averages_the_precision() -> None:
    confidences = np.array([0.99, 0.9, 0.8, 0.6, 0.3])
    assert threshold_for(confidences, 0.9) == pytest.approx(0.9)  # (0.99 + 0.9 + 0.8) / 3 = 0.897: not quite
    assert threshold_for(confidences, 0.8) == pytest.approx(0.6)
    assert threshold_for(confidences, 0.8, least=0.7) == 0.7
    assert threshold_for(np.array([0.1, 0.2]), 0.9) == 0.95
    assert threshold_for(np.array([]), 0.9) == 0.5


def test_a_calibration_of_an_earlier_bundle_is_read_without_its_closeness() -> None:
    earlier = '{"bias": -4, "score_weight": 8, "margin_weight": 5, "crowd_weight": 2, "threshold": 0.5, "close": 0.85}'
    assert Calibration.model_validate_json(earlier) == CALIBRATION


def test_bounds_of_the_lead() -> None:
    np.testing.assert_array_equal(calibration.clip_lead(np.array([np.inf, -np.inf, 0.1])), [LEAD_CAP, -LEAD_CAP, 0.1])
