"""A bundle is loaded whole or refused with the reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.encoding import bundle as bundles
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import BundleError


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.directory, tmp_path / "copy"))


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    def damage(directory: Path) -> None:
        manifest = json.loads((directory / "manifest.json").read_text())
        change(manifest)
        (directory / "manifest.json").write_text(json.dumps(manifest))

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (shutil.rmtree, r"it does not exist. `python -m trainer fit` makes one"),
        (lambda path: (path / "manifest.json").unlink(), r"it has no manifest\.json"),
        (lambda path: (path / "manifest.json").write_text("{"), r"manifest\.json cannot be read"),
        (lambda path: (path / "manifest.json").write_text("[]"), "has bundle schema None; this version serves 1"),
        (lambda path: (path / "model.onnx").unlink(), r"model\.onnx is missing"),
        (lambda path: (path / "model.onnx").write_bytes(b""), r"model\.onnx is not the file that was exported"),
        (lambda path: (path / "heldout.jsonl").write_text("x"), r"heldout\.jsonl is not the file"),
        (edit(lambda manifest: manifest.update(schema_version=2)), "schema 2; this version serves 1"),
        (edit(lambda manifest: manifest.update(revision="0" * 12)), "its revision does not follow from its files"),
        (edit(lambda manifest: manifest.update(surprise=1)), "surprise: Extra inputs are not permitted"),
        (edit(lambda manifest: manifest.pop("encoding")), "encoding: Field required"),
    ],
)
def test_what_is_broken_or_foreign_is_refused(copy: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(copy)
    with pytest.raises(BundleError, match=reason):
        Bundle.load(copy)


def test_a_sealed_file_that_is_no_graph_is_refused(copy: Path, bundle: Bundle) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    encoding = bundle.manifest.encoding
    bundles.seal(copy, encoding=encoding, base_model="b", recipe="r", created_at="now")
    with pytest.raises(BundleError, match="cannot be run"):
        Encoder(Bundle.load(copy))


def test_a_graph_of_another_width_is_refused(copy: Path, bundle: Bundle) -> None:
    encoding = bundle.manifest.encoding.model_copy(update={"dimension": 8})
    bundles.seal(copy, encoding=encoding, base_model="b", recipe="r", created_at="now")
    with pytest.raises(BundleError, match="the graph gives 64 dimensions, not 8"):
        Encoder(Bundle.load(copy))


def test_the_revision_follows_what_changes_an_answer(copy: Path, bundle: Bundle) -> None:
    def sealed(**changes: object) -> str:
        encoding = bundle.manifest.encoding.model_copy(update=changes)
        manifest = bundles.seal(copy, encoding=encoding, base_model="other", recipe="other", created_at="later")
        return manifest.revision

    assert sealed() == bundle.revision
    assert sealed(max_tokens=32) != bundle.revision
    (copy / "heldout.jsonl").write_text('{"question": "q", "faq_id": null}\n')
    assert sealed() != bundle.revision


def test_installing_copies_once_and_mends(bundle: Bundle, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    installed = bundle.install(models)
    assert installed.directory == models / bundle.revision
    stamp = (installed.directory / "model.onnx").stat().st_mtime_ns
    assert bundle.install(models).directory == installed.directory
    assert (installed.directory / "model.onnx").stat().st_mtime_ns == stamp
    (installed.directory / "model.onnx").write_bytes(b"damaged")
    assert bundle.install(models).manifest == bundle.manifest
    assert [path.name for path in models.iterdir()] == [bundle.revision]
