"""Graphs packed for this machine: the same vectors, from a file that processes share, or none where it is damaged."""

import logging
from pathlib import Path

import numpy as np
import pytest

from app.encoding import packed
from app.encoding.bundle import MODEL, Bundle
from app.encoding.encoder import Encoder

TEXTS = ["When will I get my refund?", "key"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of any size are packed."""
    monkeypatch.setattr(packed, "LEAST", 0)


def vectors(bundle: Bundle, directory: Path | None) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return Encoder(bundle, threads=1, packed=directory).encode_queries(TEXTS)


@pytest.mark.usefixtures("small")
def test_a_packed_graph_gives_the_same_vectors_and_is_made_once(bundle: Bundle, tmp_path: Path) -> None:
    expected = vectors(bundle, None)
    np.testing.assert_allclose(vectors(bundle, tmp_path), expected, atol=1e-6)
    (made,) = tmp_path.glob("[!.]*")
    assert made.name.startswith(f"{bundle.revision}-")
    written = (made / "weights.bin").stat()
    np.testing.assert_allclose(vectors(bundle, tmp_path), expected, atol=1e-6)
    assert (made / "weights.bin").stat() == written


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("name", "content"),
    [("weights.bin", b"\0" * 64), ("graph.onnx", b"no graph"), ("probe.json", b'{"weights": "0", "vector": []}')],
)
def test_a_damaged_one_is_dropped_and_the_graph_itself_is_used(
    bundle: Bundle, tmp_path: Path, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    expected = vectors(bundle, tmp_path)
    (made,) = tmp_path.glob("[!.]*")
    (made / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(vectors(bundle, tmp_path), expected, atol=1e-6)
    assert "cannot be used" in caplog.text
    assert not made.exists()


@pytest.mark.usefixtures("small")
def test_one_that_gives_other_vectors_is_dropped(bundle: Bundle, other_bundle: Bundle, tmp_path: Path) -> None:
    packed.open_packed(other_bundle.directory / MODEL, tmp_path, "name", 1)
    (made,) = tmp_path.glob("[!.]*")
    about = (made / "probe.json").read_text()
    (made / "probe.json").write_text(about.replace('"vector": [', '"vector": [9'))
    packed.open_packed(other_bundle.directory / MODEL, tmp_path, "name", 1)
    assert not made.exists()


@pytest.mark.usefixtures("small")
def test_where_nothing_can_be_written_the_graph_itself_is_used(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    np.testing.assert_allclose(vectors(bundle, tmp_path / "file" / "packed"), vectors(bundle, None), atol=1e-6)
