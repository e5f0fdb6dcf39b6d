"""The decision: answered, a few to choose from, or an honest nothing."""

import numpy as np
import pytest

from app.answering import decide
from app.retrieval.calibration import Calibration
from app.retrieval.offer import Offer
from app.retrieval.ranking import Candidate, Ranked

VECTOR = np.zeros((1, 2), dtype=np.float32)
CALIBRATION = Calibration(bias=0, score_weight=1, margin_weight=1, threshold=0.7, offer=Offer(threshold=0.5))


def ranked(*confidences: float, answers: str = "abcdefgh", passages: bool = False, exact: int = 0) -> list[Ranked]:
    """Entries with these confidences; the first `exact` of them hold the question word for word."""
    return [
        Ranked(
            Candidate(f"e{i}", {"answer": answers[i]}, VECTOR, VECTOR, VECTOR),
            confidence,
            confidence,
            None if passages else 0,
            exact=i < exact,
        )
        for i, confidence in enumerate(confidences)
    ]


def ids(found: list[Ranked]) -> list[str]:
    return [one.candidate.id for one in found]


def test_answers_with_what_is_sure_enough() -> None:
    answered = decide(ranked(0.9, 0.8, 0.4), 3, CALIBRATION)
    assert (answered.status, ids(answered.answers), answered.suggestions) == ("answered", ["e0", "e1"], [])
    assert ids(decide(ranked(0.9, 0.8, 0.75), 2, CALIBRATION).answers) == ["e0", "e1"]


def test_abstains_with_suggestions() -> None:
    answered = decide(ranked(0.2, 0.1, 0.1, 0.1), 3, CALIBRATION)
    assert (answered.status, answered.answers, ids(answered.suggestions)) == ("no_answer", [], ["e0", "e1", "e2"])


def test_a_passage_has_no_question_to_suggest() -> None:
    assert decide(ranked(0.2, 0.1, passages=True), 3, CALIBRATION).suggestions == []


@pytest.mark.parametrize("top_k", [1, 3, 50])
def test_offers_the_fewest_that_together_reach_the_offer_threshold_whatever_top_k(top_k: int) -> None:
    two = decide(ranked(0.4, 0.2, 0.1), top_k, CALIBRATION)
    assert (two.status, ids(two.answers), two.suggestions) == ("ambiguous", ["e0", "e1"], [])
    three = decide(ranked(0.3, 0.15, 0.1, 0.1), top_k, CALIBRATION)
    assert (three.status, ids(three.answers)) == ("ambiguous", ["e0", "e1", "e2"])


def test_never_offers_more_than_three() -> None:
    assert decide(ranked(0.15, 0.15, 0.15, 0.15), 5, CALIBRATION).status == "no_answer"


def test_offers_entries_with_different_answers() -> None:
    offered = decide(ranked(0.35, 0.35, 0.2, answers="aab"), 3, CALIBRATION)
    assert (offered.status, ids(offered.answers)) == ("ambiguous", ["e0", "e2"])
    assert decide(ranked(0.4, 0.4, answers="aa"), 3, CALIBRATION).status == "no_answer"


def test_offers_nothing_where_only_one_entry_is_found() -> None:
    assert decide(ranked(0.6), 3, CALIBRATION).status == "no_answer"


def test_min_confidence_replaces_the_answer_threshold_and_raises_the_offer_threshold() -> None:
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.55).status == "answered"
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.65).status == "ambiguous"
    assert decide(ranked(0.6, 0.1), 3, CALIBRATION, 0.75).status == "no_answer"
    assert decide(ranked(0.2, 0.15, 0.1), 3, CALIBRATION, 0.3).status == "no_answer"  # the offer threshold holds


@pytest.mark.parametrize("min_confidence", [None, 0.99, 1.0])
def test_a_question_that_entries_with_one_answer_hold_is_answered(min_confidence: float | None) -> None:
    answered = decide(ranked(0.49, 0.49, 0.3, answers="aab", exact=2), 3, CALIBRATION, min_confidence)
    assert (answered.status, ids(answered.answers)) == ("answered", ["e0", "e1"])


@pytest.mark.parametrize("min_confidence", [None, 0.1, 1.0])
def test_a_question_that_entries_with_different_answers_hold_shows_all_of_them(min_confidence: float | None) -> None:
    shown = decide(ranked(0.3, 0.3, 0.3, 0.3, answers="abca", exact=4), 1, CALIBRATION, min_confidence)
    assert (shown.status, ids(shown.answers)) == ("ambiguous", ["e0", "e1", "e2"])
    seven = decide(ranked(*[0.14] * 7, exact=7), 3, CALIBRATION, min_confidence)
    assert (seven.status, ids(seven.answers)) == ("ambiguous", ["e0", "e1", "e2", "e3", "e4"])


def test_zero_never_abstains_where_there_is_anything() -> None:
    answered = decide(ranked(0.01, 0.0), 3, CALIBRATION, 0)
    assert (answered.status, len(answered.answers)) == ("answered", 2)
    assert decide(ranked(0.49, 0.49, 0.0, exact=2), 2, CALIBRATION, 0).status == "answered"
    assert decide([], 3, CALIBRATION, 0).status == "no_answer"
