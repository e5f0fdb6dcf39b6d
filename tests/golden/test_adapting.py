"""Golden questions judge the estimated share of unanswerable questions."""

import pytest

from app.golden.adapting import judge_share
from app.golden.judging import Outcome


def outcome(confidence: float, unanswerable: float, *, right: bool) -> Outcome:
    return Outcome("answered", ("a",), confidence, right, ("a",), best_right=right, unanswerable=unanswerable)


def test_a_higher_share_suits_questions_that_nothing_answers() -> None:
    nothing = [outcome(0.5, 0.4, right=False)] * 10
    judged = judge_share(nothing, 0.2, 0.6)
    assert judged.brier_estimated < judged.brier_stated == pytest.approx(0.25)
    assert "0.60, suits" in str(judged)
    assert "does not suit" in str(judge_share([outcome(0.5, 0.4, right=True)] * 10, 0.2, 0.6))


def test_what_does_not_depend_on_the_share_stays_as_it_is() -> None:
    exact = [outcome(1.0, 0.0, right=True), outcome(0.7, 0.0, right=False)]
    judged = judge_share(exact, 0.2, 0.6)
    assert judged.brier_estimated == pytest.approx(judged.brier_stated) == pytest.approx(0.245)
