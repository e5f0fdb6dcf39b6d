"""Backups of a home in use, restored: round trips, refusals, and what a kill leaves.

The one with a Qdrant server runs on the stand-in of `tests.faults.qdrant`, which proves nothing about gRPC, green
collections, quantisation or recall.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.backups import backup as backups
from app.backups.restore import RESTORING, restore
from app.cli.backup import backup as backup_command
from app.cli.backup import restore as restore_command
from app.encoding.bundle import Bundle
from app.errors import BundleError, Busy, Conflict, IndexUnavailable
from app.jobs import lock
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.knowledge.wishes import Wishes
from app.main import create_app
from app.releases.builder import Builder
from app.releases.turns import UPDATE
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.stand_in import stand_in
from tests.faults.test_killed import ask
from tests.waiting import PATIENCE_S

QUESTION = "When will I get my refund?"
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from app import durable
from app.backups import backup, restore
from app.settings import Settings

rename = durable.rename

def killed(source, target):
    if Path(target).name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

durable.rename = killed
getattr({"backup": backup, "restore": restore}[sys.argv[1]], sys.argv[1])(Settings.read(), Path(sys.argv[2]))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar.gz"


@pytest.fixture
def empty(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with another home, which is not there."""
    return settings.model_copy(update={"home": tmp_path / "restored"})


class Editing(threading.Thread):
    """Edits an entry and has it answer, again and again, as a service does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings, self.stop, self.switched = settings, threading.Event(), threading.Event()

    def run(self) -> None:
        store = Store.open(self.settings.sqlalchemy_url)
        jobs, builder, number = Jobs(store.database), Builder(self.settings), 0
        while not self.stop.is_set():
            number += 1
            with store.edit("ann") as editor:
                text = f"Edition {number}."
                editor.change("refund", lambda old: old.model_copy(update={"answer": text}), "*")  # noqa: B023
            try:
                builder.run(jobs.queue(UPDATE).job_id)
            except Busy:  # the backup links files
                continue
            self.switched.set()
        builder.close()
        store.close()


def updated(settings: Settings) -> None:
    """Have the edits answer that wait for it, if any do."""
    store = Store.open(settings.sqlalchemy_url)
    builder = Builder(settings)
    if Wishes(store.database).pending():
        builder.run(Jobs(store.database).queue(UPDATE).job_id)
    builder.close()
    store.close()


def test_a_backup_made_while_entries_are_edited_has_entries_and_release_of_one_moment(
    published: Settings, empty: Settings, file: Path
) -> None:
    editing = Editing(published)
    editing.start()
    assert editing.switched.wait(PATIENCE_S)
    about = backups.backup(published, file)
    editing.stop.set()
    editing.join()
    shutil.rmtree(published.home)
    assert restore(empty, file) is None
    release, _ = ask(empty, QUESTION)
    assert release == about.release
    updated(empty)
    store = Store.open(empty.sqlalchemy_url)
    stored = {entry.id: entry.answer for entry in store.entries()}
    store.close()
    assert ask(empty, QUESTION)[1].answers[0].answer == stored["refund"]
    assert stored["refund"].startswith("Edition")
    assert {path.name for path in empty.home.iterdir() if path.name.startswith(".")} == set()


def test_with_a_server_the_release_is_built_again(
    settings: Settings, bundle: Bundle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_in() as qdrant:
        settings = settings.model_copy(update={"qdrant_url": qdrant.urls[0]})
        fill(settings, FAQ)
        release = publish_home(settings, bundle)
        environment(settings, monkeypatch)
        backup_command(file)
        shutil.rmtree(settings.home)
        restored = settings.model_copy(update={"home": settings.home.parent / "restored", "namespace": "restored"})
        environment(restored, monkeypatch)
        restore_command(file)
        assert not (restored.home / "index").exists()
        assert ask(restored, QUESTION)[0] == release


def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


def test_a_damaged_home_is_not_backed_up(published: Settings, bundle: Bundle, file: Path) -> None:
    (postings,) = (published.home / "index").glob("faq-*/postings/words.npy")
    whole = postings.read_bytes()
    postings.write_bytes(b"damaged")
    with pytest.raises(IndexUnavailable, match=r"postings/words\.npy"):
        backups.backup(published, file)
    postings.write_bytes(whole)
    (published.home / "models" / bundle.revision / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        backups.backup(published, file)
    assert not file.exists()


def test_a_backup_overwrites_nothing_and_a_restore_goes_into_an_empty_home_only(
    settings: Settings, empty: Settings, file: Path
) -> None:
    fill(settings, FAQ)
    backups.backup(settings, file)
    with pytest.raises(Conflict, match="exists"):
        backups.backup(settings, file)
    with pytest.raises(Conflict, match=r"not empty .*knowledge"):
        restore(settings, file)
    with pytest.raises(Conflict, match="FAQ_DATABASE_URL"):
        restore(empty.model_copy(update={"database_url": "postgresql://host/faqtual"}), file)
    empty.home.mkdir(exist_ok=True)
    with lock.hold(empty.home / "service.lock", ""), pytest.raises(Busy, match="Stop it"):
        restore(empty, file)
    assert restore(empty, file) is None
    store = Store.open(empty.sqlalchemy_url)
    assert store.count() == len(FAQ)
    store.close()


def killed_at(settings: Settings, act: str, file: Path, name: str) -> None:
    """Run a backup or a restore that dies when it is about to give something this name."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED_AT, act, str(file), name],
        env={**os.environ, **settings.environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
    assert run.returncode == -9


def test_what_is_killed_leaves_nothing_half_written(settings: Settings, empty: Settings, file: Path) -> None:
    fill(settings, FAQ)
    killed_at(settings, "backup", file, file.name)
    assert not file.exists()
    (settings.home / "keys").write_text("")
    backups.backup(settings, file)
    assert not (settings.home / backups.STAGING).exists()
    killed_at(empty, "restore", file, "knowledge.db")  # after the keys, which are named before it
    assert {path.name for path in empty.home.iterdir()} == {RESTORING, "keys", "service.lock", "writer.lock"}
    with pytest.raises(Conflict, match="app restore"), TestClient(create_app(empty)):
        pass
    assert restore(empty, file) is None
    store = Store.open(empty.sqlalchemy_url)
    assert store.count() == len(FAQ)
    store.close()
