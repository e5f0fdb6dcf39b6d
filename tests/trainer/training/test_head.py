"""The head on a frozen encoder: where it begins, what folding it changes (nothing), what its cache survives."""

import logging
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from trainer.training import model
from trainer.training.head import Frozen, Gate, add_head, fold_head, head_of, tail
from trainer.training.tokens import Tokens, embed

TEXTS = ["where is my parcel", "press the button", "a"]


@pytest.fixture
def headed(tiny_base: Path) -> SentenceTransformer:
    encoder = model.load(str(tiny_base), "cpu")
    add_head(encoder, 0)
    return encoder


def vectors(encoder: SentenceTransformer) -> torch.Tensor:
    return embed(encoder, Tokens(encoder, TEXTS), bf16=False)


def test_a_head_begins_near_the_identity_and_only_the_head_is_trained(
    headed: SentenceTransformer, tiny_base: Path
) -> None:
    before = vectors(model.load(str(tiny_base), "cpu"))
    cosines = (before * vectors(headed)).sum(dim=1)
    assert 0.999 < float(cosines.min()) < 1
    trained = {name for name, weight in headed.named_parameters() if weight.requires_grad}
    assert trained == {
        f"{head_of(headed)}.{name}" for name in ("linear.weight", "linear.bias", "activation_function.factor")
    }


def test_folding_changes_no_vector_and_leaves_a_plain_model(headed: SentenceTransformer, tmp_path: Path) -> None:
    with torch.no_grad():
        for weight in tail(headed).parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    before = vectors(headed)
    fold_head(headed)
    assert head_of(headed) is None
    assert not any(isinstance(module, Gate) for module in headed.modules())
    headed.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    for folded in (headed, model.load(str(tmp_path / "saved"), "cpu")):
        assert torch.allclose(vectors(folded), before, atol=1e-5)


def test_cached_vectors_are_those_before_the_head(headed: SentenceTransformer, tiny_base: Path, tmp_path: Path) -> None:
    plain = model.load(str(tiny_base), "cpu")
    expected = plain.encode(TEXTS, show_progress_bar=False, convert_to_tensor=True)
    for _ in range(2):  # computed, then read
        assert torch.allclose(Frozen(headed, False, tmp_path).vectors(TEXTS), expected, atol=1e-5)


def test_another_model_or_precision_has_a_cache_of_its_own(headed: SentenceTransformer, tmp_path: Path) -> None:
    first, rounded = Frozen(headed, False, tmp_path), Frozen(headed, True, tmp_path)
    with torch.no_grad():
        next(model.backbone(headed).parameters())[0, 0] += 1
    assert len({first.path, rounded.path, Frozen(headed, False, tmp_path).path}) == 3


def test_a_damaged_cache_is_replaced(headed: SentenceTransformer, tmp_path: Path) -> None:
    frozen = Frozen(headed, False, tmp_path)
    expected = frozen.vectors(TEXTS)
    frozen.path.write_bytes(b"no database" * 100)
    assert torch.equal(frozen.vectors(TEXTS), expected)
    assert frozen.path.read_bytes().startswith(b"SQLite")


def test_without_a_cache_directory_vectors_are_computed_and_a_warning_is_logged(
    headed: SentenceTransformer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "trainer"):
        embedded = Frozen(headed, False, tmp_path / "file").vectors(TEXTS)
    assert embedded.shape == (3, 32)
    assert "not cached" in caplog.text
