"""The command `start`: from a FAQ file to a serving service in one step, for containers and for a first try."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app import durable, logs
from app.cli.entries import import_file
from app.cli.reindex import reindex
from app.cli.serve import run
from app.cli.terminal import command_settings, reporting_errors, waiting
from app.errors import SettingsError
from app.http.security import new_key
from app.keys import KeyScope, NamedKey
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.settings import Settings

KEYS = "keys"  # in FAQ_HOME: the keys that were made at the first start, one name:scope:digest a line
SCOPES: tuple[KeyScope, ...] = ("admin", "ask")


def start(
    file: Annotated[
        Path | None,
        typer.Argument(help="A FAQ file, which is imported if the store has no entries.", envvar="FAQ_FILE"),
    ] = None,
) -> None:
    """Serve. On a new home first import FILE, publish the base model, and make keys.

    Keys are made where none are set and other machines can reach the service. They are printed once.
    """
    with reporting_errors():
        settings = command_settings()
        settings = settings.model_copy(update={"keys": keys_of(settings)})
        if file is not None and waiting(lambda: _count(settings)) == 0:
            import_file(file)
        if waiting(lambda: asyncio.run(_active(settings))) is None and _count(settings):
            reindex(base=True)
    run(settings)


def keys_of(settings: Settings) -> tuple[NamedKey, ...]:
    """The keys of the settings; those of the first start if none are set and other machines reach the service.

    Raises SettingsError if the file of keys is damaged.
    """
    if settings.loopback or settings.named_keys:
        return settings.keys
    path = settings.home / KEYS
    if not path.exists():
        made = []
        for scope in SCOPES:
            key, digest = new_key()
            made.append(NamedKey(scope, scope, digest))
            logs.announce(f"The {scope} key, shown this once: {key}")
        settings.home.mkdir(parents=True, exist_ok=True)
        durable.write(path, "".join(f"{key}\n" for key in made))
        path.chmod(0o600)
    try:
        return tuple(NamedKey.of(line) for line in path.read_text(encoding="utf-8").split())
    except ValueError as error:
        raise SettingsError(f"{path} is damaged: {error}. Delete it; the next start makes new keys.") from error


def _count(settings: Settings) -> int:
    store = Store.open(settings.sqlalchemy_url)
    try:
        return store.count()
    finally:
        store.close()


async def _active(settings: Settings) -> str | None:
    catalog = Catalog(settings)
    try:
        return await catalog.active()
    finally:
        await catalog.close()
