"""Golden questions: questions with the entry that must answer them, or with none. Knows no files, vectors or HTTP."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from app.batches import batches
from app.errors import Conflict, InputError, NotFound
from app.golden.tables import GoldenRow
from app.knowledge.database import Database
from app.knowledge.search import contains, folded
from app.knowledge.tables import EntryRow, utc_now

MOST = 10_000  # each publish asks all of them, which takes some milliseconds a question
SOURCE_LENGTH, NOTE_LENGTH = 64, 2_000
MANUAL = "manual"  # the source of questions that a person wrote
_LOCK = 0x666174  # PostgreSQL's advisory lock under which golden questions change
_BATCH = 500
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Golden:
    """A golden question as it is stored. `faq_id`: the entry that answers it; None: no entry does."""

    id: int
    question: str
    faq_id: str | None
    source: str
    note: str
    changed_by: str | None
    created_at: datetime
    updated_at: datetime


class NewQuestion(NamedTuple):
    """A golden question to add; `source` says where it comes from, such as `manual`, `feedback` or a file's name."""

    question: str
    faq_id: str | None
    source: str = MANUAL
    note: str = ""


@dataclass(frozen=True)
class Page:
    """Golden questions in order of their ids. `total`: how many match on all pages; `next_after`: None on the last."""

    questions: list[Golden]
    total: int
    next_after: int | None


class Added(NamedTuple):
    """What an import did with its questions."""

    added: int
    updated: int
    unchanged: int


class GoldenStore:
    """The golden questions of one database. Safe to share between threads. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, limit: int = 50, after: int | None = None, search: str | None = None) -> Page:
        """Up to `limit` questions after the one with the id `after`. `search`: a text that question, expected entry,
        source or note holds, whatever its case."""
        conditions = [contains(GoldenRow.searchable, search)] if search else []
        count = select(func.count()).select_from(GoldenRow).where(*conditions)
        query = select(*_COLUMNS).where(*conditions).order_by(GoldenRow.id).limit(limit + 1)
        if after is not None:
            query = query.where(GoldenRow.id > after)
        with self._database.read() as connection:
            questions = [Golden(*row) for row in connection.execute(query)]
            total = connection.scalar(count) or 0
        following = questions[limit - 1].id if len(questions) > limit else None
        return Page(questions[:limit], total, following)

    def all(self) -> list[Golden]:
        """Every question, in order of their ids."""
        with self._database.read() as connection:
            return [Golden(*row) for row in connection.execute(select(*_COLUMNS).order_by(GoldenRow.id))]

    def get(self, golden_id: int) -> Golden:
        """One question. Raises NotFound."""
        with self._database.read() as connection:
            return _get(connection, golden_id)

    def add(self, new: NewQuestion, by: str | None = None) -> Golden:
        """Add a question. Raises InputError for an unknown entry, Conflict where the question is there already."""
        with self._database.write(_LOCK) as connection:
            _check_entry(connection, new.faq_id)
            _check_free(connection, new.question)
            _check_room(connection, 1)
            values = _values(new, by) | {"created_at": utc_now(), "updated_at": utc_now()}
            added = connection.scalar(insert(GoldenRow).values(values).returning(GoldenRow.id))
            return _get(connection, int(added or 0))

    def change(self, golden_id: int, new: NewQuestion, by: str | None = None) -> Golden:
        """Replace a question. Raises NotFound, InputError for an unknown entry, Conflict for the text of another."""
        with self._database.write(_LOCK) as connection:
            before = _get(connection, golden_id)
            if new.faq_id != before.faq_id:
                _check_entry(connection, new.faq_id)
            if new.question != before.question:
                _check_free(connection, new.question)
            change = update(GoldenRow).where(GoldenRow.id == golden_id)
            connection.execute(change.values(**_values(new, by), updated_at=utc_now()))
            return _get(connection, golden_id)

    def delete(self, golden_id: int) -> None:
        """Delete a question. Raises NotFound."""
        with self._database.write(_LOCK) as connection:
            _get(connection, golden_id)
            connection.execute(delete(GoldenRow).where(GoldenRow.id == golden_id))

    def stored_ids(self, faq_ids: Sequence[str]) -> set[str]:
        """Those of the ids that an entry of the store has, whatever its state."""
        with self._database.read() as connection:
            return _stored_ids(connection, faq_ids)

    def take(
        self, rows: Iterable[NewQuestion], by: str | None = None, *, overwrite: bool = True, dry_run: bool = False
    ) -> Added:
        """Add all of the questions, or none. One that is there already gets the row's expected entry, source and note,
        or with `overwrite=False` stays as it is. `dry_run`: only count.

        Raises InputError naming the first question whose entry is not in the store, Conflict where there would be more
        than MOST.
        """
        new = {digest_of(row.question): row for row in rows}
        with self._database.write(_LOCK) as connection:
            _check_entries(connection, list(new.values()))
            known = _known(connection, list(new))
            fresh = [row for digest, row in new.items() if digest not in known]
            _check_room(connection, len(fresh))
            stale = [
                (golden_id, new[digest])
                for digest, (golden_id, *before) in known.items()
                if overwrite and [new[digest].faq_id, new[digest].source, new[digest].note] != before
            ]
            if not dry_run:
                _write(connection, fresh, stale, by)
        return Added(len(fresh), len(stale), len(known) - len(stale))


_COLUMNS = (
    GoldenRow.id,
    GoldenRow.question,
    GoldenRow.faq_id,
    GoldenRow.source,
    GoldenRow.note,
    GoldenRow.changed_by,
    GoldenRow.created_at,
    GoldenRow.updated_at,
)


def digest_of(question: str) -> str:
    """SHA-256 in hex of a question's text: the same text is the same golden question."""
    return hashlib.sha256(question.encode()).hexdigest()


def _values(new: NewQuestion, by: str | None) -> dict[str, Any]:
    texts = (new.question, new.faq_id or "", new.source, new.note)
    derived = {"digest": digest_of(new.question), "searchable": folded(_SEPARATOR.join(texts)), "changed_by": by}
    return {**new._asdict(), **derived}


def _write(
    connection: Connection, fresh: Sequence[NewQuestion], stale: Sequence[tuple[int, NewQuestion]], by: str | None
) -> None:
    now = utc_now()
    if fresh:
        connection.execute(
            insert(GoldenRow), [_values(row, by) | {"created_at": now, "updated_at": now} for row in fresh]
        )
    for golden_id, row in stale:
        change = update(GoldenRow).where(GoldenRow.id == golden_id)
        connection.execute(change.values(**_values(row, by), updated_at=now))


def _get(connection: Connection, golden_id: int) -> Golden:
    row = connection.execute(select(*_COLUMNS).where(GoldenRow.id == golden_id)).first()
    if row is None:
        raise NotFound(f"There is no golden question {golden_id}.")
    return Golden(*row)


def _known(connection: Connection, digests: Sequence[str]) -> dict[str, list[Any]]:
    """Id, expected entry, source and note of the questions that are stored, by digest."""
    columns = (GoldenRow.digest, GoldenRow.id, GoldenRow.faq_id, GoldenRow.source, GoldenRow.note)
    known: dict[str, list[Any]] = {}
    for batch in batches(digests, _BATCH):
        query = select(*columns).where(GoldenRow.digest.in_(batch))
        known |= {digest: rest for digest, *rest in connection.execute(query)}
    return known


def _check_entry(connection: Connection, faq_id: str | None) -> None:
    if faq_id is not None and not _stored_ids(connection, [faq_id]):
        raise InputError(f"There is no entry `{faq_id}`. Name an entry of the store, or null for none.", "faq_id")


def _check_entries(connection: Connection, rows: Sequence[NewQuestion]) -> None:
    wanted = sorted({row.faq_id for row in rows if row.faq_id is not None})
    stored = _stored_ids(connection, wanted)
    for row in rows:
        if row.faq_id is not None and row.faq_id not in stored:
            message = f"There is no entry `{row.faq_id}`, which the question “{row.question}” names."
            raise InputError(message, "faq_id")


def _stored_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    stored: set[str] = set()
    for batch in batches(ids, _BATCH):
        stored |= set(connection.scalars(select(EntryRow.id).where(EntryRow.id.in_(batch))))
    return stored


def _check_free(connection: Connection, question: str) -> None:
    query = select(GoldenRow.id).where(GoldenRow.digest == digest_of(question))
    if (other := connection.scalar(query)) is not None:
        raise Conflict(f"The question is golden already, with the id {other}. Change that one.")


def _check_room(connection: Connection, more: int) -> None:
    count = connection.scalar(select(func.count()).select_from(GoldenRow)) or 0
    if more and count + more > MOST:
        raise Conflict(f"There may be {MOST:,} golden questions; {count:,} are there, and {more:,} would be added.")
