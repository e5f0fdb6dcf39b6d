"""What is loaded to be trained."""

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense

from trainer.reranking import training as crossencoder
from trainer.training import model
from trainer.training.towers import as_two_towers, towers


@pytest.fixture(scope="module", params=[torch.float16, torch.bfloat16])
def half(request: pytest.FixtureRequest, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a dense layer, stored in half precision."""
    directory = tmp_path_factory.mktemp("half")
    encoder = SentenceTransformer(str(tiny_base), device="cpu")
    encoder.append(Dense(32, 16))
    encoder.to(request.param).save(str(directory / "one"))
    as_two_towers(encoder).save(str(directory / "two"))
    return directory


def dtypes(module: torch.nn.Module) -> set[torch.dtype]:
    return {weight.dtype for weight in module.parameters()}


@pytest.mark.parametrize("kind", ["one", "two"])
def test_weights_stored_in_half_precision_are_trained_in_single_precision(half: Path, kind: str) -> None:
    stored = SentenceTransformer(str(half / kind), device="cpu")
    assert dtypes(stored) & {torch.float16, torch.bfloat16}
    loaded = model.load(str(half / kind), "cpu")
    assert len(towers(loaded)) == (1 if kind == "one" else 2)
    assert dtypes(loaded) == {torch.float32}


def test_a_cross_encoder_begins_in_single_precision(half: Path) -> None:
    assert dtypes(crossencoder.untrained(str(half / "one"), True, 0)) == {torch.float32}
