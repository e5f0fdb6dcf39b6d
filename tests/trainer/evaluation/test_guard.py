"""Which share of the fine-tuning is shipped."""

import json

import numpy as np
import pytest

from trainer.guard import OTHER_FAQS, SHARES, Gains, Shipped, decide


def gains(*means: float, questions: int = 200, entries: int = 50, noise: float = 0.2) -> Gains:
    """Made gains of each share, with noise that all shares have in common."""
    common = np.random.default_rng(0).normal(0, noise, questions)
    common -= common.mean()
    return Gains(np.array([mean + common for mean in means]), [f"e{i % entries}" for i in range(questions)])


def test_with_nothing_held_out_the_other_faqs_decide() -> None:
    shipped = decide(Gains(np.zeros((3, 0)), []))
    assert shipped.share == SHARES[int(np.argmax(OTHER_FAQS.means))]
    assert "other FAQs alone" in shipped.reason


def test_a_clear_loss_on_many_held_out_questions_ships_the_base_model() -> None:
    shipped = decide(gains(-0.15, -0.2, -0.3, questions=2000, entries=500))
    assert shipped.share == 0
    assert "base model is shipped" in shipped.reason


def test_a_loss_on_few_held_out_questions_is_no_reason_to_drop_the_training() -> None:
    assert decide(gains(-0.1, -0.1, -0.1, questions=5, entries=5)).share > 0


def test_a_share_that_gains_clearly_more_is_shipped() -> None:
    assert decide(gains(0.04, -0.05, -0.1, questions=2000, entries=500)).share == 0.5
    assert decide(gains(-0.05, -0.02, 0.05, questions=2000, entries=500)).share == 1.0


def test_questions_about_one_entry_count_less_than_questions_about_many() -> None:
    rng = np.random.default_rng(1)
    each = np.repeat(rng.normal(-0.1, 0.3, 20), 20)  # what an entry's questions gain is alike
    together = decide(Gains(np.array([each] * 3), [f"e{i // 20}" for i in range(400)]))
    apart = decide(Gains(np.array([each] * 3), [f"e{i}" for i in range(400)]))
    assert together.options[0].risk < apart.options[0].risk


@pytest.mark.parametrize("made", [decide(gains(0.0, 0.01, 0.02)), decide(Gains(np.zeros((3, 0)), []))])
def test_what_was_decided_survives_json(made: Shipped) -> None:
    assert Shipped.of(json.loads(json.dumps(made.values()))) == made
