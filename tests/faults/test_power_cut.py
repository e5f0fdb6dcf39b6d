"""The power fails while entries are imported or a release is built: what was acknowledged is kept, the rest is whole
or absent."""

import os
import shutil
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.knowledge.entry import Entry
from app.knowledge.files import write_entries
from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import fill, publish_home
from tests.faults.power import Recording, recorded
from tests.faults.test_killed import ask, edition

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the recorder takes a C compiler"),
]
POINTS = int(os.environ.get("FAQ_TEST_CUTS", "6"))
QUESTION = "When will I get my refund?"


def cuts(recording: Recording) -> list[int]:
    """Some of the moments, the first and the last among them."""
    last = len(recording.moments) - 1
    return sorted({last * point // (POINTS - 1) for point in range(POINTS)})


def after(recording: Recording, moment: int, settings: Settings, work: Path) -> Settings:
    """The settings of a home as the disk holds it after the cut."""
    home = work / f"cut-{moment}"
    recording.restore(moment, home)
    return settings.model_copy(update={"home": home})


def entries(settings: Settings) -> list[Entry]:
    store = Store.open(settings.sqlalchemy_url)
    try:
        return list(store.entries())
    finally:
        store.close()


def test_a_power_cut_during_an_import_keeps_a_whole_edition(settings: Settings, tmp_path: Path) -> None:
    fill(settings, edition(0))
    file = tmp_path / "new.jsonl"
    more = [Entry(id=f"e{i}", question=f"Question {i}?", answer=f"Answer {i}.") for i in range(300)]
    write_entries([*edition(1), *more], file)
    command = ["app", "import", str(file), "--mode", "replace"]
    recording = recorded(settings.home, command, settings.environment(), tmp_path / "work")
    editions = [entries(after(recording, moment, settings, tmp_path)) for moment in cuts(recording)]
    assert all(read in (edition(0), [*edition(1), *more]) for read in editions)
    assert editions[0] == edition(0)
    assert editions[-1] == [*edition(1), *more]  # the command had said so: it must not be lost


def test_a_power_cut_during_a_reindex_keeps_a_whole_release(
    published: Settings, bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    fill(published, edition(0))
    publish_home(published, bundle)
    fill(published, edition(1))
    command = ["app", "reindex", "--bundle", str(other_bundle.directory)]
    recording = recorded(published.home, command, published.environment(), tmp_path / "work")
    told = []
    for moment in cuts(recording):
        settings = after(recording, moment, published, tmp_path)
        told.append(ask(settings, QUESTION)[1].answers[0].answer)
        publish_home(settings, other_bundle)
        assert ask(settings, QUESTION)[1].answers[0].answer == "Edition 1."
        shutil.rmtree(settings.home)
    assert told == sorted(told)
    assert (told[0], told[-1]) == ("Edition 0.", "Edition 1.")


def test_the_simulation_loses_what_is_not_flushed(settings: Settings, tmp_path: Path) -> None:
    """That the test above can fail: an installed bundle whose files were not flushed is empty after the cut."""
    home = settings.home
    home.mkdir(parents=True)
    recording = Recording(home.resolve(), tmp_path / "contents")
    recording.contents.mkdir()
    recording.begin()
    (home / "kept").write_text("kept")
    recording._sync(home.resolve() / "kept")
    (home / "lost").write_text("lost")
    recording._note("name")
    cut = after(recording, 1, settings, tmp_path).home
    assert ((cut / "kept").read_text(), (cut / "lost").read_text()) == ("kept", "")
