"""A real publish that is killed with SIGKILL, and interrupted, while it encodes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.encoding.encoders import ALONE
from app.knowledge.entry import Entry
from app.settings import Settings
from tests.conftest import fill
from tests.waiting import PATIENCE_S

ENTRIES = 2_000
TEXTS = 3 * ENTRIES
FAQ = [
    Entry(id=f"e{i}", question=f"Where is order {i}?", alternatives=(f"track {i}",), answer=f"Order {i} is on its way.")
    for i in range(ENTRIES)
]


def start(settings: Settings, bundle: Bundle) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "trainer", "publish", "--processes", "2", "--bundle", str(bundle.directory)]
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def keys(cache: Path, table: str = "checked_vectors") -> set[bytes]:
    """The keys of the texts whose vectors are stored."""
    with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True, timeout=10)) as connection:
        return {key for (key,) in connection.execute(f"SELECT key FROM {table}")}


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def has(cache: Path, count: int) -> bool:
    try:
        return len(keys(cache)) >= count
    except sqlite3.OperationalError:  # the file or its table is not there yet
        return False


def note_insertions(cache: Path) -> None:
    """Have the file list every key that is stored from now on."""
    with closing(sqlite3.connect(cache)) as connection:
        connection.executescript(
            "CREATE TABLE inserted (key BLOB);"
            "CREATE TRIGGER note AFTER INSERT ON checked_vectors BEGIN INSERT INTO inserted VALUES (new.key); END"
        )


@pytest.mark.slow
def test_a_killed_publish_goes_on_with_the_texts_that_it_lacks(settings: Settings, bundle: Bundle) -> None:
    fill(settings, FAQ)
    cache = settings.home / "vectors" / f"{bundle.revision}.db"
    with start(settings, bundle) as process:  # killed while further processes encode
        wait_until(lambda: has(cache, ALONE + 300), process)
        process.send_signal(signal.SIGKILL)
    kept = keys(cache)
    assert ALONE + 300 <= len(kept) < TEXTS
    note_insertions(cache)

    with start(settings, bundle) as process:
        wait_until(lambda: has(cache, len(kept) + 1), process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "same command" in errors

    with start(settings, bundle) as process:
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert bundle.revision in output
    assert keys(cache, "inserted") == keys(cache) - kept
    assert len(keys(cache)) == TEXTS
