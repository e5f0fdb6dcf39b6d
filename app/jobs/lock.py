"""The writer's lock: one process at a time builds and switches releases.

A file lock in FAQ_HOME, or a PostgreSQL advisory lock where the knowledge is shared between machines. The operating
system, or the database, releases either when its holder dies. No process takes it to look whether it is taken:
the job's row says whether it is running.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.errors import Busy
from app.knowledge.database import Database

Check = Callable[[], None]  # raises unless the lock is still held

_PUBLISHING = 0x666172  # the advisory lock's number
_REFUSAL = "Another process is building or switching a release. Try again when it is done."
_ENDING_S = 2.0  # for PostgreSQL to release the lock of a session that it has just ended
_NEVER_IDLE = text(  # the setting is unknown before PostgreSQL 14
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
)


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
def writer(home: Path, database: Database) -> Iterator[Check]:
    """Be the process that builds and switches releases. Raises Busy, StoreError.

    Yields a check for the moment before a switch: PostgreSQL releases the lock if the connection breaks. The check
    takes it again, and raises Busy if another process has it, StoreError if the database does not answer.
    """
    if database.engine.dialect.name != "postgresql":
        with hold(home / "writer.lock", _REFUSAL):
            yield lambda: None
        return
    lock = _AdvisoryLock(database)
    lock.take()
    try:
        yield lock.check
    finally:
        lock.release()


class _AdvisoryLock:
    """PostgreSQL's lock of a session. No transaction stays open meanwhile, so that no timeout ends the session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None

    def take(self) -> None:
        """Raises Busy, StoreError."""
        session = self._database.session()
        taken = False
        try:
            with self._database.failures():
                session.execute(_NEVER_IDLE)
                taken = bool(session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _PUBLISHING}))
        finally:
            if not taken:
                session.close()
        if not taken:
            raise Busy(_REFUSAL)
        self._session = session

    def check(self) -> None:
        """Make sure that the lock is held. Raises Busy, StoreError."""
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
                return
            except DBAPIError:  # the session has ended, and its lock with it
                self._drop()
        deadline = time.monotonic() + _ENDING_S
        while True:
            try:
                self.take()
                return
            except Busy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def release(self) -> None:
        """Release the lock; a session that has ended holds none."""
        if self._session is None:
            return
        with suppress(DBAPIError):
            self._session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _PUBLISHING})
        self._drop()

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None
