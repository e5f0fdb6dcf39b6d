"""Writes a backup while the service runs: what a release needs to answer, and the entries of the same moment.

Files of bundles and releases never change, so they are linked while no process switches, which takes milliseconds, and
read afterwards, whatever becomes of the originals.
"""

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.backups import archive
from app.backups.archive import KEYS, About
from app.encoding.bundle import Bundle
from app.errors import BundleError, Conflict, InputError, StoreError
from app.index import checksums
from app.index.embedded import POINTER
from app.jobs import lock
from app.knowledge.database import Database
from app.releases.catalog import Catalog
from app.releases.keeping import line_of
from app.releases.turns import writing
from app.settings import Settings

STAGING = ".backup"  # in FAQ_HOME: links to the files of a backup that is being written
DATABASE = "knowledge.db"


def backup(settings: Settings, file: Path) -> About:
    """Write a backup to `file`: entries, active release, and the bundles of all releases that are kept.

    What is in Qdrant or in FAQ_DATABASE_URL is not part of it. Raises Busy while a release is built, Conflict if `file`
    exists, InputError where there is nothing to back up, BundleError, IndexUnavailable, StoreError, OSError.
    """
    if file.exists():
        raise Conflict(f"{file} exists. Name a new file; backups are not overwritten.")
    if settings.database_url is None and not (settings.home / DATABASE).is_file():
        raise InputError(f"There is nothing to back up in {settings.home.absolute()}. Set FAQ_HOME.", "FAQ_HOME")
    staging = settings.home / STAGING
    with lock.hold(settings.home / "backup.lock", f"Another backup of {settings.home} is being written."):
        shutil.rmtree(staging, ignore_errors=True)  # of a backup that was killed
        staging.mkdir()
        try:
            about = _snapshot(settings, staging)
            _check(staging, about)
            archive.write(file, about, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return about


def _snapshot(settings: Settings, staging: Path) -> About:
    """Link and copy everything, while no process switches."""
    database = Database.open(settings.sqlalchemy_url)
    try:
        with writing(settings.home, database):
            release = asyncio.run(_link_releases(settings, staging))
            if settings.database_url is None:  # after the release: what it has is in the entries, or is wished again
                _copy_database(settings.home / DATABASE, staging / DATABASE)
    finally:
        database.close()
    if (settings.home / KEYS).is_file():
        _link(settings.home / KEYS, staging / KEYS)
    return About(
        id=secrets.token_hex(16),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        release=release,
        index=release is not None and settings.qdrant_url is None,
        database=settings.database_url is None,
    )


async def _link_releases(settings: Settings, staging: Path) -> str | None:
    """Link the bundles, and in embedded mode the active release with what it extends; returns the release's name."""
    catalog = Catalog(settings)
    try:
        active, records = await catalog.active(), await catalog.indexes.records()
        if active is None:
            return None
        if not line_of(records, active):  # it cannot be read; opening it says why
            await catalog.indexes.open(active)
        bundles = [await catalog.active_bundle()]
        for revision in {record.bundle for record in records} - {bundles[0].revision}:
            with suppress(BundleError):  # a release whose bundle is gone cannot be activated either
                bundles.append(Bundle.load(catalog.models / revision))
    finally:
        await catalog.close()
    for bundle in bundles:
        _link_tree(bundle.directory, staging / "models" / bundle.revision)
    if settings.qdrant_url is None:
        newest = next(record.increment for record in records if record.name == active)
        for record in line_of(records, active):
            if record.increment <= newest:
                _link_tree(settings.home / "index" / record.name, staging / "index" / record.name)
        (staging / "index" / POINTER).write_text(json.dumps({"active": active, "previous": None}))
        if (shares := settings.home / "shares" / f"{active}.json").is_file():
            (staging / "shares").mkdir()
            _link(shares, staging / "shares" / shares.name)
    return active


def _link_tree(source: Path, target: Path) -> None:
    """Link every file but those that begin with a dot, which a process made that reads the others."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        if path.is_dir():
            (target / path.relative_to(source)).mkdir()
        elif not path.name.startswith("."):
            _link(path, target / path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no links
        shutil.copy2(source, target)


def _copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database of one moment, while others write. Raises StoreError."""
    try:
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise StoreError(f"The database {source} cannot be copied: {error}.") from error


def _check(staging: Path, about: About) -> None:
    """Make sure that a backup of damaged files is not taken for one. Raises IndexUnavailable, StoreError."""
    if about.index:
        for directory in (staging / "index").glob("faq-*"):
            checksums.check(directory)
    if about.database:
        check_database(staging / DATABASE)


def check_database(path: Path) -> None:
    """Raises StoreError where a SQLite file is damaged."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        result = str(error)
    if result != "ok":
        raise StoreError(f"The database is damaged: {result}.")
