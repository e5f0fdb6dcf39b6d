from collections import Counter
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import GroupByLabelBatchSampler

from app.errors import InputError
from trainer.data.training_set import Pair
from trainer.recipes import TripletKind, recipe_named
from trainer.training import model
from trainer.training.blocks import BlockEncoder, BlockHead
from trainer.training.triplets import TripletLoss, grouped_texts, rows


@pytest.mark.parametrize("groups", [[0, 0, 1, 1], [0, 0, 0, 1, 1, 2], [*range(40)] * 2, [0] * 9 + [1] * 5 + [2, 2, 2]])
@pytest.mark.parametrize("size", [4, 8])
def test_the_rows_of_an_epoch_are_those_that_the_sampler_gives(groups: list[int], size: int) -> None:
    sampler = GroupByLabelBatchSampler(Dataset.from_dict({"label": groups}), size, False, ["label"], torch.Generator())
    given = [row for batch in sampler for row in batch]
    assert rows(groups) - len(given) in (0, 2)  # a last batch of one group is left out
    assert max(Counter(given).values()) == 1


def test_groups_of_one_text_make_no_triplets() -> None:
    assert rows([0, 1, 2]) == rows([0, 0, 1]) == 0


@pytest.mark.parametrize("kind", ["hard-triplets", "semi-hard-triplets"])
def test_a_group_that_is_farther_from_the_others_than_the_margin_has_no_loss(kind: TripletKind) -> None:
    near, far = torch.tensor([[1.0, 0], [1, 0.01]]), torch.tensor([[-1.0, 0], [-1, 0.01]])
    loss = TripletLoss(BlockHead(), kind, 0.2)
    blocks = [{"sentence_embedding": near}, {"sentence_embedding": far}]
    assert float(loss(blocks, torch.tensor([0, 0, 1, 1]))) == pytest.approx(0, abs=1e-4)
    assert float(loss(blocks, torch.tensor([0, 1, 0, 1]))) > 0.1


def test_every_text_has_its_group() -> None:
    pairs = [Pair("a", "b", 1), Pair("b", "c", 1), Pair("d", "e", 2)]
    assert grouped_texts(pairs) == {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2}


def test_an_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="hard-triplets, semi-hard-triplets"):
        recipe_named("groups").override(loss="contrastive")


def test_triplets_of_a_model_have_gradients(tiny_base: Path) -> None:
    encoder = BlockEncoder.of(model.load(str(tiny_base), "cpu"))
    blocks = [dict(encoder.preprocess(["one", "two", "three", "four"]))]
    TripletLoss(encoder, "hard-triplets", 0.5)(blocks, torch.tensor([0, 0, 1, 1])).backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())
