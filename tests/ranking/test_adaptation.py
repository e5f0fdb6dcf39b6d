"""The estimated share of unanswerable questions: what it is estimated from, and how it changes confidence."""

import numpy as np
import pytest

from app.ranking.adaptation import LEAST, MOST, MOST_OF_A_CLIENT, STEP, Adaptation, Asked, Densities, Mode, estimate
from app.ranking.unanswerable import Unanswerable, change

U = Unanswerable(bias=0.0, score_weight=0.0)
RANDOM = np.random.default_rng(0)
DENSITIES = Densities.of(RANDOM.normal(-2.5, 1, 400), RANDOM.normal(0.5, 1, 400))


def asked(share: float, questions: int, exact: int = 0) -> Asked:
    """Questions drawn from the same two distributions."""
    draws = np.random.default_rng(1)
    unanswerable = round(share * questions)
    drawn = Densities.of(draws.normal(-2.5, 1, questions - unanswerable - exact), draws.normal(0.5, 1, unanswerable))
    counts = [a + b for a, b in zip(drawn.answerable, drawn.unanswerable, strict=True)]
    return Asked(counts=counts, exact=exact)


def adaptation(mode: Mode) -> Adaptation:
    return Adaptation(mode, U, DENSITIES)


def ask_unanswerable(of: Adaptation, questions: int, client: str = "") -> None:
    """Ask different questions that nothing answers, of a client each unless one is named."""
    for number in range(questions):
        of.saw(f"question {client} {number}", client or str(number), 0.6)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_many_questions_show_their_share(share: float) -> None:
    found = estimate(asked(share, 20_000), DENSITIES, 0.2)
    assert found.share == pytest.approx(share, abs=0.04)
    assert found.questions == 20_000
    assert found.misfit < 0.05


def test_few_questions_hardly_move_the_stated_share_and_none_do_not() -> None:
    nothing = estimate(Asked(), DENSITIES, 0.3)
    assert (nothing.questions, nothing.misfit) == (0, 0.0)
    assert nothing.share == pytest.approx(0.3)
    assert estimate(asked(0.8, 30), DENSITIES, 0.2).share == pytest.approx(0.25, abs=0.02)
    assert estimate(asked(0.8, 300), DENSITIES, 0.2).share == pytest.approx(
        0.5, abs=0.05
    )  # as many as the prior weighs


def test_the_estimate_stays_within_its_bounds() -> None:
    assert estimate(asked(1.0, 50_000), DENSITIES, 0.2).share == MOST
    assert estimate(asked(0.0, 50_000), DENSITIES, 0.02).share == LEAST


def test_questions_that_the_faq_holds_count_as_answerable() -> None:
    assert estimate(asked(0.3, 20_000, exact=10_000), DENSITIES, 0.2).share == pytest.approx(0.3, abs=0.04)
    assert estimate(Asked(exact=5_000), DENSITIES, 0.2).share == LEAST


def test_the_misfit_says_that_the_questions_are_of_another_kind() -> None:
    counts = Densities.of(np.random.default_rng(2).normal(-5.5, 0.3, 1_000), np.array([])).answerable
    assert estimate(Asked(counts=list(counts)), DENSITIES, 0.2).misfit > 0.5


def test_a_question_counts_once_whoever_asks_it_and_a_client_only_so_often() -> None:
    seen = adaptation("suggest")
    for client in ("a", "b"):
        seen.saw("Where is my parcel?", client, 0.3)
        seen.saw("where is my  PARCEL", client, 0.3)
    assert seen.asked.total == 1
    ask_unanswerable(seen, MOST_OF_A_CLIENT + 50, "flood")
    assert seen.asked.total == 1 + MOST_OF_A_CLIENT


def test_off_counts_nothing_and_neither_does_a_release_without_histograms() -> None:
    for silent in (adaptation("off"), Adaptation("on", U, None), Adaptation("on", None, DENSITIES)):
        ask_unanswerable(silent, 100)
        assert silent.asked.total == 0
        assert silent.estimate() is None
        assert silent.change(0.5) == 1


def test_suggest_estimates_and_applies_nothing() -> None:
    suggesting = adaptation("suggest")
    ask_unanswerable(suggesting, 200)
    found = suggesting.estimate()
    assert found is not None
    assert found.share > 0.4
    assert suggesting.applied == 0.2
    assert suggesting.change(0.5) == 1


def test_on_moves_the_share_slowly_and_the_confidences_exactly() -> None:
    applying = adaptation("on")
    ask_unanswerable(applying, 19)
    assert applying.applied == 0.2
    ask_unanswerable(applying, 20, "second")
    assert applying.applied == pytest.approx(0.2 + STEP)
    share, u, right = 0.2 + STEP, 0.5, 0.4
    a, b = (1 - share) / 0.8, share / 0.2
    assert right * applying.change(u) == pytest.approx(a * right / (a * (1 - u) + b * u))
    ask_unanswerable(applying, 1_000)
    assert 0.4 < (applying.applied or 0) <= MOST


def test_what_was_counted_survives_a_restart() -> None:
    before = adaptation("on")
    ask_unanswerable(before, 100)
    after = Adaptation("on", U, DENSITIES, Asked.model_validate_json(before.asked.model_dump_json()))
    assert after.applied == before.applied != 0.2
    assert after.estimate() == before.estimate()


def test_a_question_that_is_surely_answerable_keeps_its_confidence() -> None:
    assert change(0.0, 0.2, 0.6) == pytest.approx(1.0)
    assert change(0.5, 0.2, 0.6) < 1 < change(0.5, 0.2, 0.05)
