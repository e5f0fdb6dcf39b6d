"""The store: all entries, in a database. Knows no files, no vectors and no HTTP."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select

from app.batches import batches
from app.knowledge import history, listing, validity
from app.knowledge.changes import Changes, changes_since
from app.knowledge.counts import Counts, counts
from app.knowledge.database import Database
from app.knowledge.editing import Editor
from app.knowledge.entry import Entry, revision_of_digests
from app.knowledge.installation import installation_id
from app.knowledge.intake import ImportReport, Intake, Match, Mode
from app.knowledge.listing import Page, Selection
from app.knowledge.rows_of_entries import ENTRY_COLUMNS, entry_of
from app.knowledge.stems import Stems, refresh, stems_of
from app.knowledge.stored import COLUMNS, Stored, stored_entry, stored_of
from app.knowledge.tables import EntryRow, VersionRow, utc_now
from app.knowledge.validity import answers_at
from app.knowledge.wishes import wish

_BATCH = 1_000  # entries read, or ids in one query


class Store:
    """All entries, in a database. Safe to share between threads and processes. Every method may raise StoreError."""

    def __init__(self, database: Database, history_days: int | None = None, stems: Stems | None = None) -> None:
        """`history_days`: how long replaced versions of entries are kept; None: always. `stems`: those that are written
        and searched; None: none are, and the service writes them when it starts."""
        self.database = database
        self._stems = stems
        self._history_days = history_days

    @classmethod
    def open(cls, url: str, history_days: int | None = None, language: str | None = None) -> "Store":
        """Open the database at a SQLAlchemy URL; create and migrate it if needed. `language`: of the stems.

        Raises SettingsError, StoreError.
        """
        stems = stems_of(language) if language else None
        return cls(Database.open(url), history_days, stems)

    @property
    def language(self) -> str | None:
        """The language of the stems; None where none are written."""
        return self._stems.language if self._stems else None

    @property
    def installation(self) -> str:
        """The random id of this installation, which is kept in the database."""
        return installation_id(self.database)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    def import_entries(
        self,
        entries: Iterable[Entry],
        mode: Mode,
        dry_run: bool = False,
        match: Match = "id",
        by: str | None = None,
        publish: bool = False,
    ) -> ImportReport:
        """Import all entries or none; with `dry_run` change nothing and report what an import would do.

        `append` adds and updates; `replace` also removes every other entry and takes over the order. An entry is
        updated by its id; with `match="question"` one that was given no id also by its question. `by`: who imports, for
        the history. `publish`: wish that the store answers as it then is. Raises InputError when two of the entries
        have the same id and different content.
        """
        with self.database.read() if dry_run else self.database.write() as connection:
            intake = Intake(connection, mode, dry_run, by, self._stems)
            for batch in batches(intake.matched(list(entries)) if match == "question" else entries, _BATCH):
                intake.take(batch)
            report = intake.finish()
            if publish and not dry_run:
                wish(connection, None)
            return report

    def entries(self) -> Iterator[Entry]:
        """Every entry, in order, streamed from one state of the database."""
        with self.database.read() as connection:
            yield from map(entry_of, _in_batches(connection, _in_order()))

    def stored_entries(self) -> Iterator[Stored]:
        """Every entry with its version and its times, in order, streamed from one state of the database."""
        with self.database.read() as connection:
            query = select(*COLUMNS).order_by(EntryRow.position, EntryRow.id)
            yield from map(stored_of, _in_batches(connection, query))

    def stamp(self) -> str:
        """A text that changes whenever an entry is added, changed or removed."""
        with self.database.read() as connection:
            removals = select(func.count(VersionRow.entry_id)).scalar_subquery()
            query = select(func.count(), func.max(EntryRow.updated_at), removals).select_from(EntryRow)
            return " ".join(map(str, connection.execute(query).one()))

    def published(self) -> Iterator[Entry]:
        """The entries that a release of now holds, in order: those that are live and valid. Streamed as `entries`."""
        with self.database.read() as connection:
            yield from map(entry_of, _in_batches(connection, _in_order().where(answers_at(utc_now()))))

    def questions(self) -> Iterator[tuple[str, str]]:
        """The id and the question of each entry that is live and valid now, in order."""
        query = select(EntryRow.id, EntryRow.question).where(answers_at(utc_now()), EntryRow.question != "")
        with self.database.read() as connection:
            rows = _in_batches(connection, query.order_by(EntryRow.position, EntryRow.id))
            yield from ((row.id, row.question) for row in rows)

    def page(
        self,
        limit: int = 50,
        after: str | None = None,
        search: str | None = None,
        selection: Selection | None = None,
    ) -> Page:
        """Up to `limit` entries of the selection, by default of those that hold the text `search`, in order.

        `after`: the cursor of the page before. Raises InputError for an `after` that is no cursor of the same order.
        """
        with self.database.read() as connection:
            return listing.page(connection, selection or Selection(search), limit, after, self._stems)

    def get(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        return self.stored(entry_id).entry

    def stored(self, entry_id: str) -> Stored:
        """One entry with its version and its times. Raises NotFound."""
        with self.database.read() as connection:
            return stored_entry(connection, entry_id)

    def entries_of(self, ids: Collection[str]) -> list[Entry]:
        """The entries of these ids that there are, in no order."""
        entries: list[Entry] = []
        with self.database.read() as connection:
            for batch in batches(sorted(ids), _BATCH):
                entries += map(entry_of, connection.execute(select(*ENTRY_COLUMNS).where(EntryRow.id.in_(batch))))
        return entries

    def questions_of(self, ids: Sequence[str]) -> dict[str, str]:
        """The questions of these entries, by id; those that the store lacks are left out. At most some hundred."""
        query = select(EntryRow.id, EntryRow.question).where(EntryRow.id.in_(ids))
        with self.database.read() as connection:
            return {row.id: row.question for row in connection.execute(query)}

    def versions(self, entry_id: str) -> list[history.Version]:
        """The versions of an entry that are kept, newest first, the present one included. Raises NotFound."""
        with self.database.read() as connection:
            editor = Editor(connection, None, self._history_days)
            return [version for _, version in reversed(editor.versions(entry_id))]

    def changes_between(self, after: datetime, until: datetime, limit: int = 10) -> history.Changes:
        """What was changed after `after` and not after `until`, as far as the history is kept, the latest first."""
        with self.database.read() as connection:
            return history.changes(connection, after, until, limit)

    @contextmanager
    def edit(self, by: str | None) -> Iterator[Editor]:
        """A transaction that changes entries: all that the block does, or nothing where it raises."""
        with self.database.write() as connection:
            editor = Editor(connection, by, self._history_days, self._stems)
            yield editor
            history.forget(connection, self._history_days)
        if editor.erased:
            self.database.empty_wal()

    def forget_old_versions(self) -> None:
        """Delete the versions of entries that were replaced longer ago than the history is kept."""
        if self._history_days is not None:
            with self.database.write() as connection:
                history.forget(connection, self._history_days)

    def refresh_stems(self) -> None:
        """Write the stems of all entries that have none in this language, a batch a transaction."""
        more = self._stems is not None
        while more and self._stems:
            with self.database.write() as connection:
                more = refresh(connection, self._stems)

    def delete(self, entry_id: str) -> None:
        """Remove one entry. Raises NotFound."""
        with self.database.write() as connection:
            stored_entry(connection, entry_id)
            connection.execute(delete(EntryRow).where(EntryRow.id == entry_id))

    def count(self) -> int:
        """How many entries there are."""
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(EntryRow)) or 0

    def revision(self) -> str:
        """`knowledge_revision` of what `published` gives, without reading its content."""
        with self.database.read() as connection:
            return revision_of_digests(connection.scalars(select(EntryRow.digest).where(answers_at(utc_now()))))

    def changes(self, digests: Mapping[str, str], only: Collection[str] | None = None) -> Changes:
        """What brings a release up to date whose entries have these digests, by id; `only`: of these entries."""
        with self.database.read() as connection:
            return changes_since(connection, answers_at(utc_now()), digests, only)

    def changed_validity(self, since: datetime) -> frozenset[str]:
        """The ids of the live entries whose validity began or ended after `since`."""
        with self.database.read() as connection:
            return validity.changed_between(connection, since, utc_now())

    def next_validity(self) -> datetime | None:
        """The next moment at which the validity of a live entry begins or ends; None where there is none."""
        with self.database.read() as connection:
            return validity.next_change(connection, utc_now())

    def counts(self, since: datetime | None) -> Counts:
        """How many entries there are in each state, and how many changed after `since`."""
        with self.database.read() as connection:
            return counts(connection, since)


def _in_order() -> Select[*tuple[Any, ...]]:
    return select(*ENTRY_COLUMNS).order_by(EntryRow.position, EntryRow.id)


def _in_batches(connection: Connection, query: Select[*tuple[Any, ...]]) -> Iterator[Row[*tuple[Any, ...]]]:
    """The rows of a query, of which the database's driver holds one batch at a time."""
    yield from connection.execution_options(yield_per=_BATCH).execute(query)
