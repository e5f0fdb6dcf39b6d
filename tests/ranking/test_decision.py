"""The decision about one question: answered, a few to choose from, or nothing; and the figures of many decisions."""

import numpy as np
import pytest

from app.ranking.calibration import Calibration
from app.ranking.decision import Case, Decision, decide, effects, measured
from app.ranking.offer import Offer
from app.ranking.ranked import Ranked
from tests.hits import ranked_of

CALIBRATION = Calibration(bias=0, score_weight=1, margin_weight=1, threshold=0.7, offer=Offer(threshold=0.5))
NO_ANSWER = Decision("no_answer", [])


def ranked(*confidences: float, answers: str = "abcdefgh", exact: int = 0) -> Ranked:
    """Entries with these confidences; the first `exact` of them hold the question word for word."""
    places = range(len(confidences))
    return ranked_of([{"answer": answers[i]} for i in places], confidences, exact=[i < exact for i in places])


def test_answers_with_the_entries_that_reach_the_threshold() -> None:
    assert decide(ranked(0.9, 0.8, 0.4), 3, CALIBRATION) == Decision("answered", [0, 1])
    assert decide(ranked(0.9, 0.8, 0.75), 2, CALIBRATION) == Decision("answered", [0, 1])


def test_abstains_where_no_entry_reaches_the_threshold() -> None:
    assert decide(ranked(0.2, 0.1, 0.1, 0.1), 3, CALIBRATION) == NO_ANSWER


@pytest.mark.parametrize("top_k", [1, 3, 50])
def test_offers_the_fewest_that_together_reach_the_offer_threshold_whatever_top_k(top_k: int) -> None:
    assert decide(ranked(0.4, 0.2, 0.1), top_k, CALIBRATION) == Decision("ambiguous", [0, 1])
    assert decide(ranked(0.3, 0.15, 0.1, 0.1), top_k, CALIBRATION) == Decision("ambiguous", [0, 1, 2])


def test_never_offers_more_than_three() -> None:
    assert decide(ranked(0.15, 0.15, 0.15, 0.15), 5, CALIBRATION) == NO_ANSWER


def test_offers_entries_with_different_answers() -> None:
    assert decide(ranked(0.35, 0.35, 0.2, answers="aab"), 3, CALIBRATION) == Decision("ambiguous", [0, 2])
    assert decide(ranked(0.4, 0.4, answers="aa"), 3, CALIBRATION) == NO_ANSWER


def test_offers_nothing_where_there_is_only_one_candidate() -> None:
    assert decide(ranked(0.6), 3, CALIBRATION) == NO_ANSWER


def test_min_confidence_replaces_the_answer_threshold_and_raises_the_offer_threshold() -> None:
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.55).status == "answered"
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.65).status == "ambiguous"
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.75).status == "no_answer"
    assert decide(ranked(0.2, 0.15, 0.1), 3, CALIBRATION, 0.3).status == "no_answer"  # the offer threshold holds


@pytest.mark.parametrize("min_confidence", [None, 0.99, 1.0])
def test_a_question_that_entries_with_one_answer_hold_is_answered(min_confidence: float | None) -> None:
    decision = decide(ranked(0.49, 0.49, 0.3, answers="aab", exact=2), 3, CALIBRATION, min_confidence)
    assert decision == Decision("answered", [0, 1])


@pytest.mark.parametrize("min_confidence", [None, 0.1, 1.0])
def test_a_question_that_entries_with_different_answers_hold_shows_up_to_five_of_them(
    min_confidence: float | None,
) -> None:
    decision = decide(ranked(0.3, 0.3, 0.3, 0.3, answers="abca", exact=4), 1, CALIBRATION, min_confidence)
    assert decision == Decision("ambiguous", [0, 1, 2])
    seven = decide(ranked(*[0.14] * 7, exact=7), 3, CALIBRATION, min_confidence)
    assert seven == Decision("ambiguous", [0, 1, 2, 3, 4])


def test_a_min_confidence_of_zero_never_abstains_where_there_is_a_candidate() -> None:
    assert decide(ranked(0.01, 0.0), 3, CALIBRATION, 0) == Decision("answered", [0, 1])
    assert decide(ranked(0.49, 0.49, 0.0, exact=2), 2, CALIBRATION, 0).status == "answered"
    assert decide(ranked(), 3, CALIBRATION, 0) == NO_ANSWER


CASES = [
    Case("answered", [True], answerable=True),
    Case("answered", [False], answerable=True),
    Case("ambiguous", [False, False, True], answerable=True),
    Case("ambiguous", [False, False, False, True], answerable=True),  # the fourth is too far down to help
    Case("no_answer", [], answerable=True),
    Case("answered", [False], answerable=False),
    Case("ambiguous", [False, False], answerable=False),
    Case("no_answer", [], answerable=False),
    Case("no_answer", [], answerable=False),
]


def test_the_four_figures_of_decisions() -> None:
    assert measured(CASES) == {
        "helped": 2 / 5,
        "wrong": 2 / 9,
        "unanswerable_answered": 1 / 4,
        "unanswerable_offered": 1 / 4,
    }


def test_figures_that_no_question_counts_for_are_left_out() -> None:
    assert set(measured(CASES[:5])) == {"helped", "wrong"}
    assert set(measured(CASES[5:])) == {"wrong", "unanswerable_answered", "unanswerable_offered"}
    assert measured([]) == {}


def test_each_figure_counts_its_own_questions() -> None:
    figures = effects(CASES)
    assert np.isnan(figures["helped"]).tolist() == [not case.answerable for case in CASES]
    assert np.isnan(figures["unanswerable_offered"]).tolist() == [case.answerable for case in CASES]
    assert not np.isnan(figures["wrong"]).any()
