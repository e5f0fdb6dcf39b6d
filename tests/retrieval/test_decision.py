"""The four figures that every report of decisions shows."""

import numpy as np

from app.retrieval.decision import Case, effects, measured

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
    found = effects(CASES)
    assert np.isnan(found["helped"]).tolist() == [not case.answerable for case in CASES]
    assert np.isnan(found["unanswerable_offered"]).tolist() == [case.answerable for case in CASES]
    assert not np.isnan(found["wrong"]).any()
