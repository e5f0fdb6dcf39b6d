"""The command `start`: from a FAQ file to a serving service in one step, for containers and for a first try."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from app import durable, logs
from app.cli.entries import import_file
from app.cli.reindex import reindex
from app.cli.serve import run
from app.cli.terminal import command_settings, reporting_errors, waiting
from app.digests import sha256
from app.errors import SettingsError
from app.http.security import new_key
from app.keys import KeyScope, NamedKey
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.reindexing import up_to_date
from app.releases.sources import BASE
from app.settings import Settings

KEYS = "keys"  # in FAQ_HOME: the keys that were made at the first start, one name:scope:digest a line
IMPORTED = "imported"  # in FAQ_HOME: the SHA-256 of the file that `start --replace` imported and published last
SCOPES: tuple[KeyScope, ...] = ("admin", "ask")


def start(
    file: Annotated[
        Path | None,
        typer.Argument(help="A FAQ file, which is imported if the store has no entries.", envvar="FAQ_FILE"),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Also import FILE if it has changed since the last start; this removes entries that it lacks. "
            "Publish with --bundle even if another bundle is in use.",
        ),
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="The directory of the bundle to publish with. Default: the base model.")
    ] = None,
) -> None:
    """Serve. On a new home first import FILE, publish it, and make keys.

    Keys are made where none are set and other machines can reach the service. They are printed once. Where a release
    is active and nothing has changed, it answers at once.
    """
    with reporting_errors():
        settings = command_settings()
        settings = settings.model_copy(update={"keys": keys_of(settings)})
        bring_up_to_date(settings, file, bundle, replace=replace)
    run(settings)


def bring_up_to_date(settings: Settings, file: Path | None, bundle: Path | None, *, replace: bool) -> None:
    """Import and publish what `start` says. Where an earlier start was interrupted, do what it left undone."""
    entries = waiting(lambda: _count(settings))
    digest = sha256(file) if file and replace else None
    changed = digest is not None and digest != _imported(settings)
    if file and (changed or not entries):
        import_file(file, mode="replace" if replace else "append")
        changed, entries = True, _count(settings)
    if entries and (changed or not waiting(lambda: asyncio.run(_published(settings, bundle, replace)))):
        reindex(bundle=bundle, base=bundle is None)
    if digest:
        durable.write(settings.home / IMPORTED, digest)


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


def _imported(settings: Settings) -> str | None:
    """The digest of the file that the last start imported and published; None if it was interrupted before."""
    with suppress(FileNotFoundError):
        return (settings.home / IMPORTED).read_text(encoding="ascii")
    return None


def _count(settings: Settings) -> int:
    store = Store.open(settings.sqlalchemy_url)
    try:
        return store.count()
    finally:
        store.close()


async def _published(settings: Settings, bundle: Path | None, only: bool) -> bool:
    """Whether a release that can be read is active; with `only`, one of this bundle, or of the base model if None."""
    catalog = Catalog(settings)
    try:
        return await up_to_date(catalog, bundle or BASE) if only else await catalog.active_record() is not None
    finally:
        await catalog.close()
