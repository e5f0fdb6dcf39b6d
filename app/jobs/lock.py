"""Who may write: one process at a time, over endpoint, command line and trainer alike.

A file lock in FAQ_HOME, or a PostgreSQL advisory lock where the knowledge is shared between machines. The operating
system, or the database, lets go of either when its holder dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from app.errors import Busy
from app.knowledge.database import Database

_PUBLISHING = 0x666172  # the advisory lock's number


@contextmanager
def hold(path: Path, refusal: str) -> Iterator[None]:
    """Hold the file at `path` for the duration. Raises Busy with `refusal` if another process, or thread, holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(refusal) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writer(home: Path, database: Database) -> Iterator[None]:
    """Be the one that builds and switches releases. Raises Busy."""
    refusal = "Another process is building or switching a release. Try again when it is done."
    if database.engine.dialect.name != "postgresql":
        with hold(home / "writer.lock", refusal):
            yield
        return
    with database.engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _PUBLISHING}):
            raise Busy(refusal)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _PUBLISHING})


def writer_is_at_work(home: Path, database: Database) -> bool:
    """Whether somebody holds the writer's lock at this moment."""
    try:
        with writer(home, database):
            return False
    except Busy:
        return True
