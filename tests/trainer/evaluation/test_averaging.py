"""Weights between the base model's and the fine-tuned ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.trainer.conftest import faq
from trainer.data.training_set import training_set
from trainer.evaluation.averaging import Weights, between, gains, keep_best, weights_of
from trainer.evaluation.validation import Validation
from trainer.guard import SHARES
from trainer.recipes import recipe_named
from trainer.training import model as models


@pytest.fixture
def encoder_model(tiny_base: Path) -> SentenceTransformer:
    """A base model of its own."""
    return models.load(str(tiny_base))


def worse(model: SentenceTransformer) -> Weights:
    """Weights that map every text to nearly the same place."""
    return {
        name: value.roll(1, 0) if value.is_floating_point() and value.dim() > 1 else value
        for name, value in weights_of(model).items()
    }


def test_shares_lie_on_the_line_between_both_and_what_was_added_stays() -> None:
    base = {"a": torch.tensor([0.0, 2.0]), "n": torch.tensor([3])}
    tuned = {"a": torch.tensor([4.0, 2.0]), "n": torch.tensor([3]), "added": torch.tensor([1.0])}
    assert between(base, tuned, 0.75)["a"].tolist() == [3.0, 2.0]
    assert between(base, tuned, 0.0)["a"].tolist() == [0.0, 2.0]
    assert between(base, tuned, 0.5)["added"].tolist() == [1.0]


def test_what_is_shipped_is_what_was_measured(encoder_model: SentenceTransformer) -> None:
    entries = faq(40, 3)
    heldout = training_set(entries).heldout
    base = weights_of(encoder_model)
    tuned = worse(encoder_model)
    gained = gains(encoder_model, base, tuned, Validation.of(entries, heldout, False, 1))
    assert gained.differences.shape == (len(SHARES), len(heldout))
    assert len(gained.entries) == len(heldout)
    encoder_model.load_state_dict(tuned)
    shipped = keep_best(encoder_model, base, recipe_named("quick"), entries, heldout)
    assert shipped
    assert [option.heldout for option in shipped.options] == [
        round(float(mean), 4) for mean in gained.differences.mean(axis=1)
    ]
    kept, expected = weights_of(encoder_model), between(base, tuned, shipped.share)
    assert all(np.allclose(kept[name], expected[name]) for name in expected)


def test_a_head_and_two_towers_ship_what_was_trained(encoder_model: SentenceTransformer) -> None:
    base = weights_of(encoder_model)
    for name in ("frozen-head", "dual"):
        assert keep_best(encoder_model, base, recipe_named(name), faq(20, 3), ()) is None
