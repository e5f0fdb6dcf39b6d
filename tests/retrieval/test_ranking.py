"""Scores, margins, confidence: the arithmetic between a candidate and an answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retrieval import calibration
from app.retrieval.calibration import Calibration, fit, threshold_for
from app.retrieval.ranking import Candidate, Ranking, Vectors, margins_of

AXES: Vectors = np.eye(4, dtype=np.float32)
NONE: Vectors = np.empty((0, 4), dtype=np.float32)
CALIBRATION = Calibration(bias=-4, score_weight=8, margin_weight=5, threshold=0.5)
RANKING = Ranking(question_weight=0.75, calibration=CALIBRATION)


def candidate(name: str, answer: Vectors, questions: Vectors = NONE, text: str | None = None) -> Candidate:
    return Candidate(name, {"answer": text or name}, answer, questions)


def test_a_score_weighs_the_best_phrasing_against_the_best_window() -> None:
    two = candidate("two", np.stack([0.2 * AXES[0], 0.4 * AXES[0]]), np.stack([0.1 * AXES[0], 0.8 * AXES[0]]))
    (ranked,) = RANKING.rank(AXES[0], [two])
    assert ranked.score == pytest.approx(0.75 * 0.8 + 0.25 * 0.4)
    assert ranked.matched == 1


def test_a_passage_is_scored_by_its_answer() -> None:
    (ranked,) = RANKING.rank(AXES[1], [candidate("passage", AXES[[1]])])
    assert (ranked.score, ranked.matched) == (1.0, None)


def test_best_first_and_equal_scores_by_id() -> None:
    found = RANKING.rank(AXES[0], [candidate(name, AXES[[0]]) for name in "cab"] + [candidate("z", AXES[[1]])])
    assert [one.candidate.id for one in found] == ["a", "b", "c", "z"]
    assert RANKING.rank(AXES[0], []) == []


def test_margins_are_over_the_best_other_answer() -> None:
    margins = margins_of(np.array([0.9, 0.8, 0.7, 0.85]), ["x", "y", "z", "x"])
    np.testing.assert_allclose(margins, [0.1, -0.1, -0.2, 0.05])
    assert np.isinf(margins_of(np.array([0.5, 0.4]), ["x", "x"])).all()
    assert np.isinf(margins_of(np.array([0.5]), ["x"])).all()


def test_a_lone_candidate_has_the_full_margin() -> None:
    alone, capped = CALIBRATION.confidence(np.array([0.5, 0.5]), np.array([np.inf, calibration.MARGIN_CAP]))
    assert alone == capped


@given(st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("abcd")), min_size=1, max_size=12))
def test_confidence_falls_with_rank(found: list[tuple[float, str]]) -> None:
    candidates = [candidate(f"e{i}", np.float32(score) * AXES[[0]], text=text) for i, (score, text) in enumerate(found)]
    ranked = RANKING.rank(AXES[0], candidates)
    by_answer: dict[str, float] = {}
    for one in ranked:  # entries with one answer do not compete, so only the best of each is in order
        by_answer.setdefault(one.candidate.payload["answer"], one.confidence)
    confidences = list(by_answer.values())
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 <= one.confidence <= 1 for one in ranked)


def test_a_fit_recovers_the_probabilities_it_was_drawn_from() -> None:
    rng = np.random.default_rng(0)
    scores, margins = rng.uniform(0, 1, 20_000), rng.uniform(-0.3, 0.3, 20_000)
    truth = 1 / (1 + np.exp(-(-4 + 6 * scores + 10 * margins)))
    fitted = fit(scores, margins, rng.uniform(size=20_000) < truth)
    assert np.abs(fitted.confidence(scores, margins) - truth).max() < 0.03


def test_neither_weight_is_ever_negative() -> None:
    rng = np.random.default_rng(1)
    scores, margins = rng.uniform(0, 1, 500), rng.uniform(-0.3, 0.3, 500)
    for right in (scores + 0.2 < 0.6, margins < 0, (scores < 0.5) & (margins < 0)):
        fitted = fit(scores, margins, right)
        assert fitted.score_weight >= 0
        assert fitted.margin_weight >= 0


@pytest.mark.parametrize("right", [np.ones(5, dtype=bool), np.zeros(5, dtype=bool), np.arange(5) > 2])
def test_small_and_separable_samples_stay_finite(right: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> None:
    fitted = fit(np.linspace(0, 1, 5), np.linspace(-0.3, 0.3, 5), right)
    confidences = fitted.confidence(np.linspace(0, 1, 5), np.linspace(-0.3, 0.3, 5))
    assert np.isfinite(confidences).all()
    assert (np.abs(confidences - 0.5) < 0.5).all()


def test_the_threshold_reaches_the_precision() -> None:
    confidences = np.linspace(0, 1, 101)
    threshold = threshold_for(confidences, 0.9)
    assert confidences[confidences >= threshold].mean() == pytest.approx(0.9, abs=0.01)
    assert threshold_for(np.full(10, 0.97), 0.9) == 0.95
    assert threshold_for(np.full(10, 0.1), 0.9) == 0.95
    assert threshold_for(np.array([]), 0.9) == 0.5
