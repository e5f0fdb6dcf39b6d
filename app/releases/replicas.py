"""Which releases the replicas serve: a table in the database, so that none of these is pruned.

Each replica announces its release, and does so again while it lives. A row that was not renewed for LEASE_S, by the
database's clock, is of a replica that is gone. A change of the table needs a migration.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Double, String, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.errors import StoreError
from app.jobs.table import DatabaseNow
from app.knowledge.database import Database
from app.knowledge.tables import Base

LEASE_S = 300.0  # longer than a database is usually away: a replica whose row has expired loses its release
RENEW_S = 30.0
LOOK_S = 1.0  # a switch is announced within this; what was served before is the previous release, which is kept

logger = logging.getLogger(__name__)


class ReplicaRow(Base):
    """A replica and the release that it serves. `lease_until`: seconds since 1970 by the database's clock."""

    __tablename__ = "replicas"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    release: Mapped[str] = mapped_column(String(200))
    lease_until: Mapped[float] = mapped_column(Double)


class Replicas:
    """The replicas of one database. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, replica: str, release: str) -> None:
        """Say, for LEASE_S, that a replica serves a release; rows that have expired are deleted."""
        row = {"release": release, "lease_until": DatabaseNow() + LEASE_S}
        with self._database.write(lock=None) as connection:
            connection.execute(delete(ReplicaRow).where(ReplicaRow.lease_until < DatabaseNow()))
            if not connection.execute(update(ReplicaRow).where(ReplicaRow.id == replica).values(**row)).rowcount:
                connection.execute(insert(ReplicaRow).values(id=replica, **row))

    def leave(self, replica: str) -> None:
        """Say that a replica serves nothing any more."""
        with self._database.write(lock=None) as connection:
            connection.execute(delete(ReplicaRow).where(ReplicaRow.id == replica))

    def served(self) -> set[str]:
        """The releases that replicas serve."""
        with self._database.read() as connection:
            return set(connection.scalars(select(ReplicaRow.release).where(ReplicaRow.lease_until >= DatabaseNow())))


class Announcer:
    """Announces what this process serves, in the background, until it is closed.

    A database that is away or locked delays nothing: the row is written when it is back.
    """

    def __init__(self, replicas: Replicas, release: Callable[[], str | None]) -> None:
        """`release`: gives the name of the release that this process serves now."""
        self._replicas, self._release = replicas, release
        self._id = secrets.token_hex(16)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and take the row back if the database allows it."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        with suppress(StoreError):
            await asyncio.to_thread(self._replicas.leave, self._id)

    async def _run(self) -> None:
        announced, at = None, -RENEW_S
        while True:
            release = self._release()
            if release and (release != announced or time.monotonic() - at >= RENEW_S):
                try:
                    await asyncio.to_thread(self._replicas.announce, self._id, release)
                    announced, at = release, time.monotonic()
                except StoreError as error:
                    logger.warning("What this replica serves is not announced yet: %s", error)
                    await asyncio.sleep(RENEW_S / 3)
            await asyncio.sleep(LOOK_S)
