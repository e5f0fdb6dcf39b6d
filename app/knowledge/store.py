"""The store: all entries, in a database. Knows no files, no vectors and no HTTP."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Select, delete, func, select, tuple_

from app.errors import InputError, NotFound
from app.knowledge.database import Database
from app.knowledge.entry import Entry, revision_of_digests
from app.knowledge.intake import ImportReport, Intake, Match, Mode
from app.knowledge.rows_of_entries import ENTRY_COLUMNS, entry_of
from app.knowledge.search import holds
from app.knowledge.tables import EntryRow

Place = tuple[int, str]  # position and id: the key that entries are ordered by

_BATCH = 1_000
_LARGEST = 2**31  # position is a 32-bit column


@dataclass(frozen=True)
class Page:
    """Entries in order. `total`: how many match on all pages; `next_after`: the cursor of the page that follows,
    None on the last."""

    entries: list[Entry]
    total: int
    next_after: str | None


class Store:
    """All entries, in a database. Safe to share between threads and processes. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open the database at a SQLAlchemy URL; create and migrate it if needed. Raises SettingsError, StoreError."""
        return cls(Database.open(url))

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    def import_entries(
        self, entries: Iterable[Entry], mode: Mode, dry_run: bool = False, match: Match = "id"
    ) -> ImportReport:
        """Import all entries or none; with `dry_run` change nothing and report what an import would do.

        `append` adds and updates; `replace` also removes every other entry and takes over the order. An entry is
        updated by its id; with `match="question"` one that was given no id also by its question. Raises InputError when
        two of the entries have the same id and different content.
        """
        with self.database.read() if dry_run else self.database.write() as connection:
            intake = Intake(connection, mode, dry_run)
            for batch in _batches(intake.matched(list(entries)) if match == "question" else entries):
                intake.take(batch)
            return intake.finish()

    def entries(self) -> Iterator[Entry]:
        """Every entry, in order, streamed from one state of the database."""
        with self.database.read() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(_in_order()):
                yield entry_of(row)

    def page(self, limit: int = 50, after: str | None = None, search: str | None = None) -> Page:
        """Up to `limit` entries in order that hold the text `search` in id, question, alternatives or answer, whatever
        its case. `after`: the cursor of the page before. Raises InputError for an `after` that is no cursor."""
        query = _in_order().add_columns(EntryRow.position).limit(limit + 1)
        count = select(func.count()).select_from(EntryRow)
        if search:
            query, count = query.where(holds(search)), count.where(holds(search))
        if after is not None:
            query = query.where(tuple_(EntryRow.position, EntryRow.id) > place_of(after))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
            total = connection.scalar(count) or 0
        last = rows[limit - 1] if len(rows) > limit else None
        following = cursor((last.position, last.id)) if last else None
        return Page([entry_of(row[:-1]) for row in rows[:limit]], total, following)

    def get(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        with self.database.read() as connection:
            row = connection.execute(select(*ENTRY_COLUMNS).where(EntryRow.id == entry_id)).first()
        if row is None:
            raise _not_found(entry_id)
        return entry_of(row)

    def delete(self, entry_id: str) -> None:
        """Remove one entry. Raises NotFound."""
        with self.database.write() as connection:
            if not connection.execute(delete(EntryRow).where(EntryRow.id == entry_id)).rowcount:
                raise _not_found(entry_id)

    def count(self) -> int:
        """How many entries there are."""
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(EntryRow)) or 0

    def revision(self) -> str:
        """`knowledge_revision` of all entries, without reading their content."""
        with self.database.read() as connection:
            return revision_of_digests(connection.scalars(select(EntryRow.digest)))


def _in_order() -> Select[*tuple[Any, ...]]:
    return select(*ENTRY_COLUMNS).order_by(EntryRow.position, EntryRow.id)


def _not_found(entry_id: str) -> NotFound:
    return NotFound(f"There is no entry `{entry_id}`.")


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def cursor(place: Place) -> str:
    """The cursor of the page that follows `place`."""
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")


def place_of(text: str) -> Place:
    """The place that a cursor stands for. Raises InputError for a text that is no cursor."""
    try:
        position, entry_id = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_"))
        place = int(position), str(entry_id)
        if cursor(place) == text and abs(place[0]) < _LARGEST and "\0" not in place[1]:
            return place
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise InputError("`after` is not a cursor. Pass `next_after` of the page before, unchanged.", "after")
