"""The decision: answered, ambiguous, or an honest nothing."""

import numpy as np
import pytest

from app.answering import decide
from app.retrieval.ranking import Candidate, Ranked

VECTOR = np.zeros((1, 2), dtype=np.float32)


def ranked(*confidences: float, answers: str = "abcdefgh", passages: bool = False) -> list[Ranked]:
    return [
        Ranked(
            Candidate(f"e{i}", {"answer": answers[i]}, VECTOR, VECTOR, VECTOR),
            confidence,
            confidence,
            None if passages else 0,
        )
        for i, confidence in enumerate(confidences)
    ]


def ids(found: list[Ranked]) -> list[str]:
    return [one.candidate.id for one in found]


def test_answers_with_what_is_sure_enough() -> None:
    answered = decide(ranked(0.9, 0.6, 0.4), top_k=3, threshold=0.5, close=0.85)
    assert (answered.status, ids(answered.answers), answered.suggestions) == ("answered", ["e0", "e1"], [])
    assert ids(decide(ranked(0.9, 0.6, 0.55), top_k=2, threshold=0.5, close=0.85).answers) == ["e0", "e1"]


def test_abstains_with_suggestions() -> None:
    answered = decide(ranked(0.4, 0.3, 0.2, 0.1), top_k=3, threshold=0.5, close=0.85)
    assert (answered.status, answered.answers, ids(answered.suggestions)) == ("no_answer", [], ["e0", "e1", "e2"])


def test_a_passage_has_no_question_to_suggest() -> None:
    assert decide(ranked(0.4, 0.3, passages=True), top_k=3, threshold=0.5, close=0.85).suggestions == []


def test_two_that_are_too_close_are_both_returned() -> None:
    answered = decide(ranked(0.7, 0.65, 0.1), top_k=1, threshold=0.5, close=0.85)
    assert (answered.status, ids(answered.answers)) == ("ambiguous", ["e0", "e1"])


@pytest.mark.parametrize(
    ("confidences", "answers"),
    [((0.7, 0.65), "aabb"), ((0.7, 0.3), "abcd"), ((0.7,), "a")],
)
def test_not_ambiguous(confidences: tuple[float, ...], answers: str) -> None:
    assert decide(ranked(*confidences, answers=answers), top_k=1, threshold=0.5, close=0.85).status == "answered"


def test_zero_never_abstains_where_there_is_anything() -> None:
    answered = decide(ranked(0.01, 0.0), top_k=3, threshold=0, close=0.85)
    assert (answered.status, len(answered.answers)) == ("answered", 2)
    assert decide([], top_k=3, threshold=0, close=0.85).status == "no_answer"
