"""Calibration from held-out questions: which are chosen, what is fitted on what, and when it says nothing."""

import numpy as np
import pytest

from app.retrieval.calibrating import Scored, fit
from app.retrieval.heldout import MIN_UNANSWERABLE, sample


def questions(n: int, seed: int = 0, telling: float = 0.3, entries: int | None = None) -> list[Scored]:
    """Made questions with six candidates, one right: its score is higher by `telling` on average."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        right = np.arange(6) == rng.integers(6)
        scores = rng.normal(0.4, 0.1, size=6) + telling * right
        order = np.argsort(-scores)
        entry = f"e{i % (entries or n)}"
        found.append(Scored(scores[order], [f"a{j}" for j in order], right[order], entry, answerable=True))
    return found


def test_a_sample_has_both_kinds_whatever_the_order_of_the_file() -> None:
    texts = [f"nothing {i}" for i in range(600)] + [f"something {i}" for i in range(400)]
    answerable = [False] * 600 + [True] * 400
    chosen = sample(texts, answerable, 500)
    assert len(chosen) == len(set(chosen)) == 500
    assert sum(answerable[i] for i in chosen) == 250  # at least half have an answer
    assert sorted(chosen) != chosen
    turned = sample(texts[::-1], answerable[::-1], 500)
    assert {texts[i] for i in chosen} == {texts[::-1][i] for i in turned}


@pytest.mark.parametrize(("without", "expected"), [(0, 0), (10, 10), (40, MIN_UNANSWERABLE), (800, 100), (9000, 250)])
def test_a_sample_keeps_the_proportion_within_bounds(without: int, expected: int) -> None:
    texts = [str(i) for i in range(without + 3200)]
    answerable = [i >= without for i in range(len(texts))]
    chosen = sample(texts, answerable, 500)
    assert len(chosen) == 500
    assert sum(not answerable[i] for i in chosen) == expected


def test_few_questions_are_all_taken() -> None:
    assert sorted(sample(["a", "b", "c"], [True, False, True], 500)) == [0, 1, 2]
    assert len(sample([str(i) for i in range(700)], [i < 60 for i in range(700)], 500)) == 500


def test_scores_that_say_nothing_are_not_fitted() -> None:
    backwards = [one._replace(right=one.right[::-1]) for one in questions(80, telling=0.6)]
    assert fit(backwards, 0.9, 0.6) is None
    never = [one._replace(right=np.zeros(6, dtype=bool)) for one in questions(80)]
    assert fit(never, 0.9, 0.6) is None


def test_a_stricter_answer_precision_answers_less_and_a_stricter_offer_precision_offers_less() -> None:
    asked = questions(400, telling=0.15)
    lax, strict, reserved = (fit(asked, *pair) for pair in ((0.7, 0.4), (0.95, 0.4), (0.7, 0.95)))
    assert lax
    assert strict
    assert reserved
    assert strict.calibration.threshold > lax.calibration.threshold
    assert reserved.calibration.threshold == lax.calibration.threshold
    assert reserved.calibration.offer.threshold > lax.calibration.offer.threshold
    offers = [[case.status for case in one.cases].count("ambiguous") for one in (lax, reserved)]
    assert offers[0] > offers[1] > 0


def test_offers_hold_the_right_answer_as_often_as_they_are_meant_to() -> None:
    fitted = fit(questions(1500, telling=0.1), 0.9, 0.8)
    assert fitted
    offered = [any(case.right) for case in fitted.cases if case.status == "ambiguous"]
    assert len(offered) > 500
    assert np.mean(offered) == pytest.approx(0.8, abs=0.06)


def test_the_replies_to_an_entry_are_of_models_that_have_not_seen_it() -> None:
    """One entry's questions are all wrong, with the highest scores: models that see it trust high scores less."""
    asked = questions(120, telling=0.4)
    wrong = np.zeros(6, dtype=bool)
    odd = [one._replace(scores=one.scores + 1, right=wrong, entry="odd") for one in questions(40, seed=1, telling=0.4)]
    apart = [one._replace(entry=f"odd {i}") for i, one in enumerate(odd)]
    together, each = fit([*asked, *odd], 0.8, 0.6), fit([*asked, *apart], 0.8, 0.6)
    assert together
    assert each
    surprised, warned = (sum(case.status == "answered" for case in one.cases[120:]) for one in (together, each))
    assert surprised > warned
