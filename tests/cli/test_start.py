"""The keys of a first start, and what a start imports and publishes."""

import asyncio
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.entries import import_file
from app.cli.start import KEYS, bring_up_to_date, keys_of
from app.encoding.bundle import Bundle
from app.errors import SettingsError
from app.http.security import digest_of
from app.index.protocol import IndexRecord
from app.index.records import RECORD
from app.keys import NamedKey
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.settings import Settings
from tests.conftest import fill

OPEN = "0.0.0.0"


def test_the_first_start_makes_keys_and_later_starts_keep_them(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    exposed = settings.model_copy(update={"host": OPEN, "admin_keys": (), "ask_keys": (), "keys": ()})
    keys = keys_of(exposed)
    printed = dict(
        line.split(" key: ") for line in capsys.readouterr().err.replace(", shown this once", "").splitlines()
    )
    assert {f"The {key.name}": key.digest for key in keys} == {name: digest_of(key) for name, key in printed.items()}
    assert [key.scope for key in keys] == ["admin", "ask"]
    assert keys_of(exposed) == keys
    assert capsys.readouterr().err == ""
    exposed.model_copy(update={"keys": keys}).check_exposure()
    assert not any(key in (settings.home / KEYS).read_text() for key in printed.values())
    assert (settings.home / KEYS).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "changes", [{"host": "127.0.0.1"}, {"host": OPEN, "keys": (NamedKey("a", "admin", "0" * 64),)}]
)
def test_no_keys_are_made_where_some_are_set_or_only_this_machine_asks(
    changes: dict[str, object], settings: Settings
) -> None:
    quiet = settings.model_copy(update={"admin_keys": (), "ask_keys": (), "keys": (), **changes})
    assert keys_of(quiet) == quiet.keys
    assert not (settings.home / KEYS).exists()


def test_a_damaged_file_of_keys_is_named(settings: Settings) -> None:
    exposed = settings.model_copy(update={"host": OPEN, "admin_keys": (), "ask_keys": (), "keys": ()})
    keys_of(exposed)
    (settings.home / KEYS).write_text("admin:admin\n")
    with pytest.raises(SettingsError, match=KEYS):
        keys_of(exposed)


@pytest.fixture
def file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A FAQ file, and the environment of the commands. SIGTERM is handled as before at the end."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nWhen will I get my refund?,Within five days.\n")
    handler = signal.getsignal(signal.SIGTERM)
    yield file
    signal.signal(signal.SIGTERM, handler)


def answers(settings: Settings) -> set[str]:
    """The answers of the store."""
    store = Store.open(settings.sqlalchemy_url)
    try:
        return {entry.answer for entry in store.entries()}
    finally:
        store.close()


def active(settings: Settings) -> IndexRecord:
    """The record of the active release."""

    async def read() -> IndexRecord:
        catalog = Catalog(settings)
        try:
            name = await catalog.active()
            return next(record for record in await catalog.indexes.records() if record.name == name)
        finally:
            await catalog.close()

    return asyncio.run(read())


def test_a_start_imports_and_publishes_only_what_has_changed(settings: Settings, bundle: Bundle, file: Path) -> None:
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    first = active(settings)
    fill(settings, [Entry(id="edited", question="Who are you?", answer="A shop.")])
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    assert (answers(settings), active(settings)) == ({"A shop."}, first)
    file.write_text("question,answer\nWhen will I get my refund?,Within six days.\n")
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    assert answers(settings) == {"Within six days."}
    assert active(settings).knowledge != first.knowledge


def test_a_start_publishes_what_an_interrupted_one_imported(settings: Settings, bundle: Bundle, file: Path) -> None:
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    first = active(settings)
    file.write_text("question,answer\nWhen will I get my refund?,Within six days.\n")
    import_file(file, mode="replace")
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    assert active(settings).knowledge != first.knowledge


def test_a_start_publishes_again_where_the_release_the_bundle_or_a_setting_is_another(
    settings: Settings, bundle: Bundle, other_bundle: Bundle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    shutil.rmtree(settings.home / "index")
    bring_up_to_date(settings, file, bundle.directory, replace=True)
    assert active(settings).bundle == bundle.revision
    bring_up_to_date(settings, file, other_bundle.directory, replace=True)
    assert active(settings).bundle == other_bundle.revision
    monkeypatch.setenv("FAQ_LANGUAGE", "german")
    bring_up_to_date(settings.model_copy(update={"language": "german"}), file, other_bundle.directory, replace=True)
    assert active(settings).language == "german"


def test_a_later_start_without_replace_imports_and_publishes_nothing(
    settings: Settings, bundle: Bundle, other_bundle: Bundle, file: Path
) -> None:
    bring_up_to_date(settings, file, bundle.directory, replace=False)
    first = active(settings)
    file.unlink()
    bring_up_to_date(settings, file, other_bundle.directory, replace=False)
    assert active(settings) == first


@pytest.mark.parametrize("replace", [False, True])
def test_a_start_builds_a_release_again_that_this_version_cannot_read(
    settings: Settings, bundle: Bundle, file: Path, replace: bool
) -> None:
    bring_up_to_date(settings, file, bundle.directory, replace=replace)
    record = settings.home / "index" / active(settings).name / RECORD
    record.write_text(record.read_text().replace('"format": 1', '"format": 0'))
    bring_up_to_date(settings, file, bundle.directory, replace=replace)
    assert active(settings).entries == 1
