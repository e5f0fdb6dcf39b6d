"""The keys of a first start."""

import pytest

from app.cli.start import KEYS, keys_of
from app.errors import SettingsError
from app.http.security import digest_of
from app.keys import NamedKey
from app.settings import Settings

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
