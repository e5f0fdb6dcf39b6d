"""What was damaged on the disk is named; what serves goes on serving; nothing is answered from it."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.encoding.bundle import Bundle
from app.index import checksums
from app.main import create_app
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.service import service
from tests.faults.test_disk_full import small
from tests.test_process import run
from tests.waiting import wait_until

__all__ = ["small"]  # a fixture: a FAQ_HOME on a disk of its own


def only(home: Path, pattern: str) -> Path:
    (path,) = home.glob(pattern)
    return path


def flip(path: Path) -> None:
    """One byte that is not zero becomes another."""
    data = bytearray(path.read_bytes())
    at = next(i for i, byte in enumerate(data) if byte)
    data[at] ^= 0x40
    path.write_bytes(data)


def shorten(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def of_an_earlier_version(path: Path) -> None:
    """As it was before the record named the format of the files."""
    record = json.loads(path.read_bytes())
    del record["format"]
    path.write_text(json.dumps(record))


def no_release(path: Path) -> None:
    path.write_text('{"active": 1, "previous": 2}')


DAMAGE: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("vectors", "index/faq-*/vectors.f32", flip, "vectors.f32 is not what was built"),
    ("words", "index/faq-*/postings/weights.npy", flip, "postings/weights.npy is not what was built"),
    ("metadata", "index/faq-*/metadata/starts.npy", shorten, "metadata/starts.npy is not what was built"),
    ("payloads", "index/faq-*/payloads.jsonl", flip, "payloads.jsonl is not what was built"),
    ("payloads cut short", "index/faq-*/payloads.jsonl", shorten, "payloads.jsonl is not what was built"),
    ("lines gone", "index/faq-*/lines.npy", Path.unlink, "lines.npy is not what was built"),
    ("record", "index/faq-*/record.json", shorten, "its record cannot be read"),
    ("sums", "index/faq-*/sums.json", shorten, "is damaged"),
    ("sums gone", "index/faq-*/sums.json", Path.unlink, "is damaged"),
    ("format", "index/faq-*/record.json", of_an_earlier_version, "was built by an earlier version"),
    ("pointer", "index/active.json", shorten, "active.json is damaged"),
    ("pointer without a release", "index/active.json", no_release, "active.json is damaged"),
    ("model", "models/*/model.onnx", flip, "model.onnx is not the file that was exported"),
    ("tokenizer", "models/*/tokenizer.json", Path.unlink, "tokenizer.json is missing"),
    ("manifest", "models/*/manifest.json", shorten, "cannot be read"),
]


@pytest.mark.parametrize(("pattern", "harm", "reason"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_damage_is_named_and_its_repair_noticed(
    published: Settings, pattern: str, harm: Callable[[Path], None], reason: str
) -> None:
    path = only(published.home, pattern)
    data = path.read_bytes()
    harm(path)
    with TestClient(create_app(published)) as client:
        for response in (client.get("/readyz"), client.post("/v1/ask", json={"question": "q"})):
            assert response.status_code == 503
            assert reason in response.json()["detail"]
        assert client.get("/livez").status_code == 200
        path.write_bytes(data)
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_damage_of_a_large_index_is_named_soon_after_the_start(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers while its files are compared; when one is damaged, it stops, and starts again after the repair."""
    monkeypatch.setattr(checksums, "AT_ONCE_BYTES", 0)
    path = only(published.home, "index/faq-*/vectors.f32")
    data = path.read_bytes()
    flip(path)
    with TestClient(create_app(published)) as client:
        wait_until(lambda: client.post("/v1/ask", json={"question": "q"}).status_code == 503, every=0)
        time.sleep(1.2)  # two more looks at the release
        refused = client.post("/v1/ask", json={"question": "q"})
        assert refused.status_code == 503
        assert "vectors.f32 is not what was built" in refused.json()["detail"]
        path.write_bytes(data)
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_a_service_goes_on_when_its_files_are_damaged(published: Settings, other_bundle: Bundle) -> None:
    before = publish_home(published, other_bundle)
    with service(published) as running:
        for path in published.home.glob("index/faq-*/record.json"):
            shorten(path)
        shorten(published.home / "index" / "active.json")
        (published.home / "models").rename(published.home / "models-gone")
        os.truncate(published.home / "knowledge.db", 50)
        time.sleep(1.5)  # three looks at the pointer
        for _ in range(10):
            reply = running.ask()
            assert (reply.status_code, reply.json()["release"]) == (200, before)
        assert running.client.get("/v1/admin/entries").json()["code"] == "store_unavailable"
        assert running.client.post("/v1/admin/reindex").status_code == 503
        assert "Traceback" not in running.log


def test_a_damaged_database_is_named_at_the_start(published: Settings) -> None:
    (published.home / "knowledge.db").write_bytes(b"no database " * 1000)
    for name in ("knowledge.db-wal", "knowledge.db-shm"):
        (published.home / name).unlink(missing_ok=True)
    started = run(published)
    assert started.returncode == 2
    assert "the file is no SQLite database" in started.stderr
    assert "Traceback" not in started.stderr


@pytest.mark.slow
def test_a_home_that_may_only_be_read_is_named(small: Settings, bundle: Bundle) -> None:
    fill(small, FAQ)
    publish_home(small, bundle)
    subprocess.run(["mount", "-o", "remount,ro", str(small.home)], check=True)
    for arguments in ((), ("reindex",), ("releases", "activate", "faq-000000000000-000000000000")):
        refused = run(small, *arguments)
        assert refused.returncode == 2, refused.stderr
        assert "Traceback" not in refused.stderr
        assert str(small.home) in refused.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small.home)], check=True)
    with service(small) as running:
        assert running.ask().status_code == 200
