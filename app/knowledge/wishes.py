"""Wishes: changes of entries that are to answer by themselves, kept until a release has them.

A wish is written in the transaction of the change, so it survives whatever becomes of the service. Who builds a release
reads the wishes first and the entries after, and deletes those wishes once the release is active.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, delete, false, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.batches import batches
from app.knowledge.database import Database
from app.knowledge.tables import Base, UtcDateTime, utc_now

_BATCH = 1_000  # wishes in one statement


class WishRow(Base):
    """One wish, made `at`. `entry_id`: the entry that changed; None where everything that the store holds is meant.
    `erased`: the entry was erased, so that no release may hold it."""

    __tablename__ = "wishes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    entry_id: Mapped[str | None] = mapped_column(String(200))
    erased: Mapped[bool] = mapped_column(server_default=false())
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


@dataclass(frozen=True)
class Pending:
    """How many changes of single entries wait for a release, whether everything does, and since when the oldest."""

    entries: int
    everything: bool
    since: datetime | None

    def __bool__(self) -> bool:
        return self.since is not None


@dataclass(frozen=True)
class Wished:
    """The wishes of one moment: their numbers, and the entries that they name; None where they mean everything.
    `erased`: the entries that no release may hold."""

    numbers: Sequence[int]
    entries: frozenset[str] | None
    erased: frozenset[str] = frozenset()


def wish(connection: Connection, entry_id: str | None, *, erased: bool = False) -> None:
    """Wish, within a transaction that changes the entry, that the change answers; None: everything in the store.

    `erased`: the transaction erases the entry.
    """
    connection.execute(insert(WishRow), {"entry_id": entry_id, "erased": erased, "at": utc_now()})


class Wishes:
    """The wishes of one database. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self) -> Pending:
        """What waits."""
        query = select(
            func.count(WishRow.entry_id.distinct()), func.count(), func.count(WishRow.entry_id), func.min(WishRow.at)
        )
        with self._database.read() as connection:
            entries, wishes, named, since = connection.execute(query).one()
        return Pending(entries, named < wishes, since)

    def read(self) -> Wished:
        """Every wish."""
        with self._database.read() as connection:
            rows = connection.execute(select(WishRow.id, WishRow.entry_id, WishRow.erased)).all()
        named = frozenset(row.entry_id for row in rows if row.entry_id is not None)
        erased = frozenset(row.entry_id for row in rows if row.erased)
        return Wished([row.id for row in rows], None if any(row.entry_id is None for row in rows) else named, erased)

    def fulfil(self, wished: Wished) -> None:
        """Delete these wishes. Later ones stay, also for the same entries."""
        with self._database.write(lock=None) as connection:
            for numbers in batches(wished.numbers, _BATCH):
                connection.execute(delete(WishRow).where(WishRow.id.in_(numbers)))
