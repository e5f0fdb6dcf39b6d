"""Calibration from held-out questions: which are chosen, what is fitted on what, and when it says nothing."""

import numpy as np
import pytest

from app.ranking import prior
from app.ranking.calibration import Calibration, evidence_of
from app.ranking.fitting import alone, fit, shrunk, unanswerable_of
from app.ranking.heldout import MIN_UNANSWERABLE, sample
from app.ranking.ranking import Ranking
from app.ranking.scored import Scored
from app.ranking.unanswerable import LEAST_SHARE, Unanswerable, change


def questions(n: int, seed: int = 0, telling: float = 0.3, entries: int | None = None) -> list[Scored]:
    """Made questions with six candidates, one right: its score is higher by `telling` on average."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        right = np.arange(6) == rng.integers(6)
        scores = rng.normal(0.4, 0.1, size=6) + telling * right
        order = np.argsort(-scores)
        entry = f"e{i % (entries or n)}"
        found.append(Scored(scores[order], order, right[order], entry, answerable=True))
    return found


def aiming(answer: float, offer: float, share: float = 0.2) -> Ranking:
    """A ranking with these target precisions and that share of unanswerable questions."""
    return Ranking(
        question_weight=0.7,
        calibration=prior.across(),
        target_precision=answer,
        offer_precision=offer,
        unanswerable_share=share,
    )


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
    assert fit(backwards, aiming(0.9, 0.6)) is None
    never = [one._replace(right=np.zeros(6, dtype=bool)) for one in questions(80)]
    assert fit(never, aiming(0.9, 0.6)) is None


def test_a_stricter_answer_precision_answers_less_and_a_stricter_offer_precision_offers_less() -> None:
    asked = questions(400, telling=0.15)
    lax, strict, reserved = (fit(asked, aiming(*pair), alone) for pair in ((0.7, 0.4), (0.95, 0.4), (0.7, 0.95)))
    assert lax
    assert strict
    assert reserved
    assert strict.calibration.threshold > lax.calibration.threshold
    assert reserved.calibration.threshold == lax.calibration.threshold
    assert reserved.calibration.offer.threshold > lax.calibration.offer.threshold
    offers = [[case.status for case in one.cases].count("ambiguous") for one in (lax, reserved)]
    assert offers[0] > offers[1] > 0


def test_offers_hold_the_right_answer_as_often_as_they_are_meant_to() -> None:
    fitted = fit(questions(1500, telling=0.1), aiming(0.9, 0.8, LEAST_SHARE), alone)
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
    together, each = (fit([*asked, *more], aiming(0.8, 0.6), alone) for more in (odd, apart))
    assert together
    assert each
    surprised, warned = (sum(case.status == "answered" for case in one.cases[120:]) for one in (together, each))
    assert surprised > warned


def test_few_questions_hardly_move_what_other_faqs_say_and_many_do() -> None:
    across = prior.across()
    wrong = [one._replace(right=one.right[::-1]) for one in questions(300, telling=0.6)]
    weights = [shrunk(wrong[:n]).margin_weight for n in (1, 10, 300)]
    assert across.margin_weight > weights[0] > weights[1] > weights[2]
    assert weights[0] > 0.8 * across.margin_weight
    assert shrunk([]) == across


def test_a_faq_with_nearer_near_misses_expects_more_unanswerable_questions_at_one_score() -> None:
    near, far = (shrunk([one._replace(scores=one.scores + by) for one in questions(40)]) for by in (0.2, -0.2))
    assert near.unanswerable
    assert far.unanswerable
    assert near.unanswerable.probability(0.7) > far.unanswerable.probability(0.7)


def test_given_unanswerable_questions_with_high_scores_make_less_sure() -> None:
    asked = questions(60)
    given = [one.without_answer()._replace(reduced=False) for one in questions(60, seed=1)]
    high = [one._replace(scores=one.scores + 0.3) for one in given]
    usual, warned = shrunk([*asked, *given]).unanswerable, shrunk([*asked, *high]).unanswerable
    assert usual
    assert warned
    assert warned.probability(0.7) > usual.probability(0.7)


def test_right_wrong_and_unanswerable_add_up_to_one_at_every_share() -> None:
    """r' = A r / (A (1 - u) + B u), and likewise for wrong answers; u' by the same."""
    evidence = evidence_of(np.array([0.8, 0.6, 0.5]), np.arange(3))
    trained = prior.across()
    assert trained.unanswerable
    u = trained.unanswerable.probability(0.8)
    right = trained.confidence(evidence)
    for share in (0.02, 0.2, 0.6):
        stated = trained.at_share(share)
        assert stated.unanswerable
        a, b = (1 - share) / 0.8, share / 0.2
        total = a * (1 - u) + b * u
        assert np.allclose(stated.confidence(evidence), a * right / total)
        assert stated.unanswerable.probability(0.8) == pytest.approx(b * u / total)


def test_a_shift_to_another_share_and_back_changes_nothing() -> None:
    for u in (0.0, 0.01, 0.5, 0.99, 1.0):
        there = change(u, 0.2, 0.6)
        assert there * change(1 - (1 - u) * there, 0.6, 0.2) == pytest.approx(1.0)
    assert Unanswerable(bias=0, score_weight=0).probability(0.3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("share", "given", "made"), [(0.2, 0, 10), (0.5, 0, 40), (0.2, 6, 4), (0.2, 30, 0), (0.9, 0, 40)]
)
def test_unanswerable_questions_are_made_up_to_the_share(share: float, given: int, made: int) -> None:
    asked = questions(40)
    unanswerable = [one.without_answer() for one in questions(given, seed=1)]
    found = unanswerable_of([*asked, *unanswerable], share)
    assert len(found) == made
    assert not any(one.answerable or one.right.any() for one in found)


def test_a_higher_share_of_unanswerable_questions_makes_less_sure() -> None:
    few, many = (fit(questions(200), aiming(0.9, 0.6, share)) for share in (0.05, 0.5))
    assert few
    assert many
    evidence = evidence_of(np.array([0.7, 0.5]), np.arange(2))
    assert many.calibration.confidence(evidence)[0] < few.calibration.confidence(evidence)[0]


def test_real_questions_move_the_calibration_beyond_what_held_out_phrasings_say() -> None:
    phrasings = questions(300, telling=0.6)
    users = [question._replace(real=True) for question in questions(300, seed=1, telling=0.05)]
    alike = [question._replace(real=False) for question in users]

    def error(calibration: Calibration) -> float:
        """Mean confidence of the first candidate minus the share that is right, of the users' questions."""
        pairs = [(calibration.confidence(evidence_of(q.scores, q.answers))[0], q.right[0]) for q in users]
        return float(np.mean([confidence - right for confidence, right in pairs]))

    without = error(shrunk(phrasings).model_copy(update={"unanswerable": None}))
    mixed = error(shrunk([*phrasings, *alike]).model_copy(update={"unanswerable": None}))
    real = error(shrunk([*phrasings, *users]).model_copy(update={"unanswerable": None}))
    assert without > mixed > real
    assert abs(real) < 0.5 * abs(without)


def test_real_unanswerable_questions_move_what_their_scores_say_and_not_their_share() -> None:
    model = Unanswerable(bias=5.0, score_weight=-8.0)
    rng = np.random.default_rng(0)
    near_misses, answered = rng.normal(0.8, 0.05, 60), rng.normal(0.9, 0.05, 240)
    moved = prior.moved_unanswerable(model, answered, [near_misses])
    assert moved.logit(0.8) > model.logit(0.8)
    assert moved.trained_share == model.trained_share
    likely = Unanswerable(bias=8.0, score_weight=-12.0)
    drawn = rng.normal(0.67, 0.1, 4000)
    chance = 1 / (1 + np.exp(-np.array([likely.logit(score) for score in drawn])))
    outcome = rng.random(4000) < chance
    as_asked = prior.moved_unanswerable(
        likely.model_copy(update={"trained_share": float(outcome.mean())}), drawn[~outcome], [drawn[outcome]]
    )
    assert as_asked.logit(0.67) == pytest.approx(likely.logit(0.67), abs=0.2)


def test_questions_of_one_kind_leave_the_unanswerable_as_they_are() -> None:
    model = Unanswerable(bias=5.0, score_weight=-8.0)
    scores = np.array([0.8, 0.9])
    assert prior.moved_unanswerable(model, scores, []) == prior.moved_unanswerable(model, scores[:0], [scores]) == model
