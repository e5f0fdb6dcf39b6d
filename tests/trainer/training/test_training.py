"""What the stages leave behind: the best epoch, merged adapters, fewer dimensions."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from transformers.training_args import ParallelMode

from app.errors import InputError
from tests.trainer.conftest import faq
from trainer.data.training_set import training_set
from trainer.recipes import RankingRecipe, Recipe
from trainer.runs import METRICS, Run
from trainer.training import model, steps
from trainer.training.loop import Validate, train
from trainer.training.sampler import EntryBatchSampler

QUICK = RankingRecipe("test", epochs=1, batch_size=32, bf16=False, hard_epochs=0)


def trained(tiny_base: Path, directory: Path, recipe: Recipe, validate: Validate | None = None) -> SentenceTransformer:
    encoder = model.load(str(tiny_base), "cpu")
    train(encoder, training_set(faq(40, 2)), recipe, Run.create({}, directory), validate)
    return encoder


def norm(encoder: SentenceTransformer) -> torch.Tensor:
    return next(value.detach() for name, value in encoder.named_parameters() if name.endswith("LayerNorm.weight"))


class Scripted:
    """A measure that returns given figures, and keeps a weight of each model that it measures."""

    def __init__(self, *values: float) -> None:
        self.values, self.seen = list(values), list[torch.Tensor]()

    def __call__(self, encoder: SentenceTransformer) -> dict[str, float]:
        self.seen.append(norm(encoder).clone())
        return {"mrr": self.values[len(self.seen) - 1]}


@pytest.mark.parametrize(
    ("values", "best"), [((0.1, 0.3, 0.2, 0.25), 1), ((0.5, 0.1, 0.2, 0.3), 0), ((0.1, 0.2, 0.3, 0.4), 3)]
)
def test_the_best_epoch_remains_and_the_beginning_is_one(
    values: tuple[float, ...], best: int, tiny_base: Path, tmp_path: Path
) -> None:
    measure = Scripted(*values)
    encoder = trained(tiny_base, tmp_path / "run", replace(QUICK, epochs=3, learning_rate=1e-2, patience=0), measure)
    assert torch.equal(norm(encoder), measure.seen[best])


def test_patience_ends_a_stage(tiny_base: Path, tmp_path: Path) -> None:
    measure = Scripted(0.3, 0.4, 0.2, 0.2, 0.9)
    trained(tiny_base, tmp_path / "run", replace(QUICK, epochs=5, patience=2), measure)
    assert len(measure.seen) == 4


def test_adapters_are_merged_and_the_rest_was_frozen(tiny_base: Path, tmp_path: Path) -> None:
    before = model.load(str(tiny_base), "cpu").state_dict()
    after = trained(tiny_base, tmp_path / "run", replace(QUICK, lora_rank=2, learning_rate=1e-2)).state_dict()
    assert before.keys() == after.keys()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all("dense" in name or "attention" in name for name in changed)


def test_leading_dimensions_can_be_exported_alone(tiny_base: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, dimensions=(16, 8), dimension=8, gradient_checkpointing=True)
    encoder = trained(tiny_base, tmp_path / "run", recipe)
    assert encoder.get_embedding_dimension() == 8
    whole = encoder[1](encoder[0](encoder.preprocess(["Where is it?"])))["sentence_embedding"]
    short = torch.nn.functional.normalize(whole[:, :8], dim=-1)
    exported = encoder.encode("Where is it?", normalize_embeddings=True, convert_to_tensor=True)
    assert torch.allclose(short[0], exported, atol=1e-6)


def test_an_export_of_more_dimensions_than_the_model_has_is_refused(tiny_base: Path) -> None:
    with pytest.raises(InputError, match="dimension"):
        model.truncate(model.load(str(tiny_base), "cpu"), 32)


def test_of_several_gpus_a_single_process_uses_one_and_says_so(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = steps.arguments(QUICK, QUICK.stages(64, 32)[0], tmp_path, False, EntryBatchSampler)
    arguments._n_gpu = 4  # what transformers finds on a machine of four GPUs
    assert arguments.n_gpu == 1
    assert arguments.parallel_mode == ParallelMode.NOT_PARALLEL
    assert arguments.train_batch_size == 32
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with caplog.at_level("WARNING", "trainer"):
        trained(tiny_base, tmp_path / "run", QUICK)
    assert "4 GPUs are visible and one of them is used" in caplog.text
    assert "torchrun --nproc-per-node 4 -m trainer fit" in caplog.text


def limited(encoder: SentenceTransformer, most: int) -> None:
    """Let the encoder run out of memory where it embeds more texts at once, as a GPU does; no dropout."""

    def full(_: nn.Module, args: tuple[object, ...], given: dict[str, torch.Tensor]) -> None:
        if len(given["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    embeddings: Any = model.backbone(encoder).embeddings
    embeddings.register_forward_pre_hook(full, with_kwargs=True)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def test_a_batch_that_does_not_fit_is_cut_until_it_does_and_nothing_is_lost(
    tiny_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    losses = []
    for most in (1000, 8):
        encoder, run = model.load(str(tiny_base), "cpu"), Run.create({}, tmp_path / f"{most}")
        limited(encoder, most)
        with caplog.at_level("WARNING", "trainer"):
            train(encoder, training_set(faq(40, 2)), replace(QUICK, epochs=3), run)
        lines = map(json.loads, (run.directory / METRICS).read_text(encoding="utf-8").splitlines())
        losses.append([line["loss"] for line in lines if "loss" in line])
        if most == 1000:
            assert caplog.text == ""
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert len(losses[0]) > 3
    sizes = [int(record.getMessage().split("at most ")[1].split()[0]) for record in caplog.records]
    assert sizes[-1] <= 8
    assert all(after == -(-before // 2) for before, after in itertools.pairwise(sizes))  # the first keeps the size


def test_a_text_that_does_not_fit_alone_ends_the_training(tiny_base: Path, tmp_path: Path) -> None:
    encoder = model.load(str(tiny_base), "cpu")
    limited(encoder, 0)
    with pytest.raises(torch.OutOfMemoryError):
        train(encoder, training_set(faq(40, 2)), QUICK, Run.create({}, tmp_path / "run"))
