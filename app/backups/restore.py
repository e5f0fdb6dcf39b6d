"""Restores a backup into an empty FAQ_HOME.

Everything is unpacked to `.restoring` and verified there; then a marker is written, and the parts are renamed into the
home. A restore that was killed before the marker left nothing but that directory; after it, the next one finishes it.
"""

import asyncio
import shutil
from contextlib import ExitStack, closing
from pathlib import Path

from app import durable
from app.backups import archive
from app.backups.archive import KEYS, About
from app.backups.backup import DATABASE, check_database
from app.errors import Conflict, InputError
from app.jobs import lock
from app.jobs.jobs import Jobs
from app.knowledge.database import Database
from app.releases.catalog import Catalog
from app.settings import Settings

RESTORING, VERIFIED = ".restoring", "verified.json"
PARTS = ("models", "shares", KEYS, "index", DATABASE)
_IGNORED = {RESTORING, "lost+found", "service.lock", "writer.lock", "backup.lock"}


def restore(settings: Settings, file: Path) -> Path | None:
    """Restore the home from `file`.

    Returns the directory of the bundle with which a reindex must build the active release: it is to be in Qdrant, the
    archive has no index, or the entries were restored from elsewhere. None where the restored home answers as it is.
    Raises InputError for a damaged file, Conflict where the home is not empty or the settings do not suit the backup,
    Busy while a service runs.
    """
    home = settings.home
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in ("service.lock", "writer.lock"):
            refusal = f"Another process is running on {home}. Stop it, or set another FAQ_HOME."
            stack.enter_context(lock.hold(home / name, refusal))
        about = archive.describe(file)
        _check_settings(settings, about)
        restoring = home / RESTORING
        if not (restoring / VERIFIED).exists():
            _refuse_unless_empty(home, file)
            _unpack(settings, file, restoring)
        elif About.model_validate_json((restoring / VERIFIED).read_bytes()).id != about.id:
            raise Conflict(f"The restore of another backup into {home} was interrupted. Run it again with its file.")
        _take(restoring, home)
    if about.release is None or (about.index and about.database and settings.qdrant_url is None):
        return None
    return home / "models" / about.release.split("-")[1]


def refuse_unfinished(home: Path) -> None:
    """Raise Conflict where a restore into `home` was interrupted."""
    if (home / RESTORING / VERIFIED).exists():
        raise Conflict(f"A restore into {home} was interrupted. Run it again: `python -m app restore FILE`.")


def _check_settings(settings: Settings, about: About) -> None:
    if about.database and settings.database_url is not None:
        raise Conflict("The backup holds the entries as SQLite. Unset FAQ_DATABASE_URL to restore it.")
    if not about.database and settings.database_url is None:
        raise Conflict(
            "The backup holds no entries: they were in the database of FAQ_DATABASE_URL. Restore that with its own "
            "tools (`pg_restore`), and set FAQ_DATABASE_URL."
        )


def _refuse_unless_empty(home: Path, file: Path) -> None:
    there = sorted(path.name for path in home.iterdir() if path.resolve() != file.resolve())
    if names := [name for name in there if name not in _IGNORED]:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise Conflict(f"{home} is not empty ({shown}). Set FAQ_HOME to an empty directory; nothing was changed.")


def _unpack(settings: Settings, file: Path, restoring: Path) -> None:
    """Unpack and verify, and mark as verified. Leaves nothing where that fails."""
    shutil.rmtree(restoring, ignore_errors=True)
    restoring.mkdir()
    try:
        about = archive.unpack(file, restoring)
        if about.database:
            check_database(restoring / DATABASE)
            with closing(Database.open(f"sqlite:///{(restoring / DATABASE).absolute()}")) as database:
                Jobs(database).interrupt()
        if settings.qdrant_url is not None:
            shutil.rmtree(restoring / "index", ignore_errors=True)
        elif about.index and about.release:
            asyncio.run(_open(settings, restoring, about.release))
        durable.flush_tree(restoring)
        durable.write(restoring / VERIFIED, about.model_dump_json())
    except BaseException:
        shutil.rmtree(restoring, ignore_errors=True)
        raise


async def _open(settings: Settings, restoring: Path, release: str) -> None:
    """Open the release as a service would. Raises BundleError, IndexUnavailable, InputError."""
    catalog = Catalog(settings.model_copy(update={"home": restoring, "bundle_store": None}))
    try:
        if await catalog.active() != release:
            raise InputError(f"The backup does not hold its active release {release}.")
        answerer = await catalog.open(release, threads=1)
        await answerer.close()
    finally:
        await catalog.close()


def _take(restoring: Path, home: Path) -> None:
    """Give every part its name in the home, those that an interrupted restore left too."""
    for name in PARTS:
        if (restoring / name).exists():
            durable.rename(restoring / name, home / name)
    shutil.rmtree(restoring)
