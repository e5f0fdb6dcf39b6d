"""A disk that is full: said clearly, and nothing that was there is lost."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.errors import FaqError, IndexUnavailable, StoreError
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.main import create_app
from app.releases.reindexing import reindex
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.test_killed import ask

pytestmark = pytest.mark.slow
MANY = [Entry(id=f"e{i}", question=f"When will I get refund {i}?", answer=f"Answer {i}. " * 40) for i in range(2000)]


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


def test_a_start_with_a_full_disk(small: Settings, bundle: Bundle) -> None:
    fill(small, FAQ)
    publish_home(small, bundle)
    stuff(small.home)
    with pytest.raises(IndexUnavailable, match=r"nearly full: 0 MB are free, .* takes 2 MB"):
        ask(small, "anything")
