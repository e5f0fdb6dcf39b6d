import json
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from app.encoding.bundle import Bundle, HeldOut
from app.encoding.encoder import Encoder
from app.errors import InputError
from app.graphs import packaged
from tests.trainer.conftest import faq
from trainer.export import checks, export
from trainer.training import model


@pytest.fixture(scope="module")
def encoder_model(tiny_base: Path) -> SentenceTransformer:
    return model.load(str(tiny_base), "cpu")


def exported(encoder_model: SentenceTransformer, target: Path) -> Bundle:
    heldout = [HeldOut("where is it", "cancel-parcel-0"), HeldOut("what is love", None)]
    return export.export(encoder_model, target, entries=faq(30, 2), heldout=heldout, base_model="tiny", recipe="base")


@pytest.fixture(scope="module")
def bundle(encoder_model: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return exported(encoder_model, tmp_path_factory.mktemp("export") / "bundle")


def test_a_bundle_of_8_bits_encodes_like_the_model(encoder_model: SentenceTransformer, bundle: Bundle) -> None:
    assert bundle.manifest.encoding.precision == "int8"
    texts = ["Where is my parcel?", "a", "to be or not to be " * 30]
    exact = encoder_model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    exported = Encoder(bundle, threads=1).encode_queries(texts)
    assert (exact * exported).sum(axis=1).min() > 0.98
    assert np.allclose(np.linalg.norm(exported, axis=1), 1, atol=1e-5)


def test_a_bundle_has_its_checks_figures_and_held_out_questions(bundle: Bundle) -> None:
    assert bundle.manifest.checks["int8"]["batch_independence"] > 0.999
    assert bundle.manifest.checks["fp32"]["parity_least"] > 0.9999
    assert bundle.manifest.metrics["heldout"]["unanswerable"] == 1
    lines = (bundle.directory / "heldout.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"question": "what is love", "faq_id": None, "answer": None}
    assert [path.name for path in bundle.directory.parent.iterdir()] == ["bundle"]


def test_the_same_model_gives_the_same_revision(
    encoder_model: SentenceTransformer, bundle: Bundle, tmp_path: Path
) -> None:
    assert exported(encoder_model, tmp_path / "again").revision == bundle.revision


def test_8_bits_that_fail_a_check_are_not_used(
    encoder_model: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "RANKING_LOSS", -2.0)
    assert exported(encoder_model, tmp_path / "chance").manifest.encoding.precision == "int8"
    monkeypatch.setattr(checks, "SIGNIFICANT", 2.0)
    bundle = exported(encoder_model, tmp_path / "bundle")
    assert bundle.manifest.encoding.precision == "fp32"
    assert bundle.manifest.checks["int8"]["passed"] is False


def test_a_failed_export_leaves_the_old_bundle(
    encoder_model: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    monkeypatch.setattr(checks, "PARITY", 2.0)
    with pytest.raises(export.ExportFailed, match="parity"):
        exported(encoder_model, tmp_path / "bundle")
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "old"]


def test_the_packaged_model_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packaged.packaged().is_dir()
    monkeypatch.setattr(packaged, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="SHA-256"):
        packaged.packaged()


def test_a_base_model_that_cannot_be_found_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="cannot be loaded"):
        model.load(str(tmp_path / "nowhere"))
