"""A disk that is full: said clearly, and nothing that was there is lost."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.errors import FaqError, IndexUnavailable, StoreError
from app.index import scan
from app.index.candidates import Candidate
from app.index.embedded import EmbeddedStore
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.main import create_app
from app.releases.reindexing import reindex
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.test_killed import ask
from tests.index.test_index import ENTRIES, FIRST, record

pytestmark = pytest.mark.slow
MANY = [Entry(id=f"e{i}", question=f"When will I get refund {i}?", answer=f"Answer {i}. " * 40) for i in range(2000)]
ROWS = np.random.default_rng(0).standard_normal((1000, 1, 64)).astype(np.float32)
VECTORS = [
    Candidate(f"e{i}", {**ENTRIES[0].payload, "id": f"e{i}", "answer": f"word{i} " * 9}, row, row, row[:0])
    for i, row in enumerate(ROWS)
]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Settings]:
    """A FAQ_HOME on a disk of its own; needs the right to mount one."""
    home = tmp_path / "home"
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(home)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield Settings(home=home)
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def stuff(home: Path) -> Path:
    """Fill the disk with one file."""
    filler = home / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            return filler


def test_an_import_onto_a_full_disk_changes_nothing(small: Settings) -> None:
    fill(small, FAQ)
    filler = stuff(small.home)
    with pytest.raises(StoreError, match=r"the disk failed; check its space|the disk is full"):
        fill(small, MANY)
    filler.unlink()
    store = Store.open(small.sqlalchemy_url)
    assert [entry.id for entry in store.entries()] == [entry.id for entry in FAQ]
    store.close()


def test_a_reindex_onto_a_full_disk_keeps_the_release(small: Settings, bundle: Bundle) -> None:
    fill(small, FAQ)
    publish_home(small, bundle)
    with TestClient(create_app(small)) as client:
        question = {"question": "When will I get my refund?"}
        before = client.post("/v1/ask", json=question).json()
        fill(small, [FAQ[0].model_copy(update={"answer": "Within six days."}), *FAQ[1:]])
        filler = stuff(small.home)
        with pytest.raises(FaqError, match="full"):
            reindex(small)
        assert client.post("/v1/ask", json=question).json()["answers"] == before["answers"]
        filler.unlink()
        reindex(small)
    assert ask(small, "When will I get my refund?")[1].answers[0].answer == "Within six days."


def test_a_start_with_a_full_disk_answers(small: Settings, bundle: Bundle) -> None:
    fill(small, FAQ)
    publish_home(small, bundle)
    stuff(small.home)
    assert ask(small, "When will I get my refund?")[1].answers[0].id == "refund"


@pytest.mark.parametrize("limit", [scan.LIMIT, 0], ids=["small", "with cells"])
def test_an_index_that_does_not_fit_is_named_and_leaves_nothing(
    small: Settings, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Whichever file is the first without room, also one that is written through its mapping."""
    monkeypatch.setattr(scan, "LIMIT", limit)
    directory = small.home / "index"
    store, described = EmbeddedStore(directory), record(FIRST, len(VECTORS)).model_copy(update={"dimension": 64})
    asyncio.run(store.build(described, [VECTORS]))
    size = sum(path.stat().st_size for path in (directory / FIRST).rglob("*"))
    asyncio.run(store.drop(FIRST))
    filler = stuff(small.home)
    for _ in range(9):  # a tenth of the index has room, then two, up to nine
        os.truncate(filler, filler.stat().st_size - size // 10)
        with pytest.raises(IndexUnavailable, match=rf"disk .* is full: the release {FIRST} could not be written"):
            asyncio.run(store.build(described, [VECTORS]))
        assert list(directory.iterdir()) == []
    filler.unlink()
    asyncio.run(store.build(described, [VECTORS]))
    assert [path.name for path in directory.iterdir()] == [FIRST]
