"""The store: all entries, in a database. Knows no files, no vectors and no HTTP."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, tuple_, update

from app.errors import InputError, NotFound, StoreError
from app.knowledge.database import Database
from app.knowledge.entry import Entry, revision_of_digests
from app.knowledge.paging import cursor, place_of
from app.knowledge.search import holds, searchable
from app.knowledge.tables import EntryRow, utc_now

Mode = Literal["append", "replace"]

_BATCH = 1_000
_COLUMNS = (EntryRow.id, EntryRow.question, EntryRow.answer, EntryRow.alternatives, EntryRow.negatives, EntryRow.meta)


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do; `total` is the number of entries afterwards."""

    added: int
    updated: int
    unchanged: int
    removed: int
    total: int


@dataclass(frozen=True)
class Page:
    """Some entries, in order. `total`: how many match on all pages; `next_after`: the cursor of the page that follows,
    None on the last."""

    entries: list[Entry]
    total: int
    next_after: str | None


class Store:
    """The knowledge at rest. Safe to share between threads and between processes. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open the database at a SQLAlchemy URL, made and migrated where needed. Raises SettingsError, StoreError."""
        return cls(Database.open(url))

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    def import_entries(self, entries: Iterable[Entry], mode: Mode, dry_run: bool = False) -> ImportReport:
        """Take entries in, all or none. `append` adds and updates by id; `replace` also removes every other entry and
        takes over the order. Raises InputError when two of the entries have the same id and different content."""
        with self.database.read() if dry_run else self.database.write() as connection:
            intake = _Intake(connection, mode, dry_run)
            for batch in _batches(entries):
                intake.take(batch)
            return intake.finish()

    def entries(self) -> Iterator[Entry]:
        """Every entry, in order, streamed from one state of the database."""
        with self.database.read() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(_in_order()):
                yield _entry(row)

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
        return Page([_entry(row[:-1]) for row in rows[:limit]], total, following)

    def get(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        with self.database.read() as connection:
            row = connection.execute(_select().where(EntryRow.id == entry_id)).first()
        if row is None:
            raise _not_found(entry_id)
        return _entry(row)

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


class _Intake:
    """One import in progress, within one transaction."""

    def __init__(self, connection: Connection, mode: Mode, dry_run: bool) -> None:
        self._connection, self._replace, self._dry_run = connection, mode == "replace", dry_run
        rows = connection.execute(select(EntryRow.id, EntryRow.digest, EntryRow.position))
        self._known = {entry_id: (digest, position) for entry_id, digest, position in rows}
        last = max((position for _, position in self._known.values()), default=-1)
        self._next = 0 if self._replace else last + 1
        self._seen: dict[str, str] = {}
        self._added = self._updated = self._unchanged = 0

    def take(self, batch: list[Entry]) -> None:
        """Insert what is new, update what differs, move what only changed its place."""
        inserts: list[dict[str, Any]] = []
        updates: list[dict[str, Any]] = []
        moves: list[dict[str, Any]] = []
        for entry in batch:
            digest = entry.digest
            if self._repeated(entry.id, digest):
                continue
            old_digest, old_position = self._known.get(entry.id, (None, -1))
            position = self._position(old_position)
            if old_digest is None:
                inserts.append(_values(entry, digest, position) | {"id": entry.id, "created_at": utc_now()})
            elif old_digest != digest:
                updates.append(_values(entry, digest, position) | {"entry_id": entry.id})
            elif old_position != position:
                moves.append({"entry_id": entry.id, "position": position})
            self._unchanged += old_digest == digest
        self._added += len(inserts)
        self._updated += len(updates)
        by_id = update(EntryRow).where(EntryRow.id == bindparam("entry_id"))
        for statement, rows in ((insert(EntryRow), inserts), (by_id, updates), (by_id, moves)):
            if rows and not self._dry_run:
                self._connection.execute(statement, rows)

    def finish(self) -> ImportReport:
        """Remove what the import does not hold, if it replaces, and tell what was done."""
        gone = [{"entry_id": entry_id} for entry_id in self._known if entry_id not in self._seen]
        removed = len(gone) if self._replace else 0
        if removed and not self._dry_run:
            self._connection.execute(delete(EntryRow).where(EntryRow.id == bindparam("entry_id")), gone)
        total = len(self._known) + self._added - removed
        return ImportReport(self._added, self._updated, self._unchanged, removed, total)

    def _repeated(self, entry_id: str, digest: str) -> bool:
        if entry_id not in self._seen:
            self._seen[entry_id] = digest
            return False
        if self._seen[entry_id] != digest:
            raise InputError(f"Two entries of the import have the id `{entry_id}` and different content.", "id")
        return True

    def _position(self, old: int) -> int:
        if old >= 0 and not self._replace:
            return old
        self._next += 1
        return self._next - 1


def _values(entry: Entry, digest: str, position: int) -> dict[str, Any]:
    return {
        "question": entry.question,
        "answer": entry.answer,
        "alternatives": entry.alternatives,
        "negatives": entry.negatives,
        "metadata": entry.metadata,
        "digest": digest,
        "position": position,
        "searchable": searchable(entry.id, entry.question, entry.answer, entry.alternatives),
        "updated_at": utc_now(),
    }


def _select() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS)


def _in_order() -> Select[*tuple[Any, ...]]:
    return _select().order_by(EntryRow.position, EntryRow.id)


def _entry(row: Sequence[object]) -> Entry:
    names = ("id", "question", "answer", "alternatives", "negatives", "metadata")
    try:
        return Entry.model_validate(dict(zip(names, row, strict=True)))
    except ValidationError as error:
        raise StoreError(f"The entry `{row[0]}` in the database is damaged: {error.errors()[0]['msg']}.") from error


def _not_found(entry_id: str) -> NotFound:
    return NotFound(f"There is no entry `{entry_id}`.")


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH)):
        yield batch
