"""An import into the store: finds entries that are new, changed or missing, and writes them. Knows no files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from app.errors import InputError
from app.knowledge import history
from app.knowledge.entry import Entry, content_hash
from app.knowledge.publication import FIELDS as PUBLICATION
from app.knowledge.rows_of_entries import ENTRY_COLUMNS, entry_of, values_of
from app.knowledge.stems import Stems
from app.knowledge.tables import EntryRow, utc_now
from app.text.limits import same_question

Mode = Literal["append", "replace"]
Match = Literal["id", "question"]

LISTED = 1_000  # entries of each kind that a report names; its counts are of all


@dataclass(frozen=True)
class Change:
    """An entry that an import adds, updates, keeps or removes. `fields`: what differs in an updated one."""

    id: str
    question: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptOld:
    """An entry that was added beside others of the store that have the same question and that the file lacks.

    `derived`: it was given no id, so that `match="question"` could have updated the old one.
    """

    id: str
    question: str
    old_ids: tuple[str, ...]
    derived: bool


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do; `total` is the number of entries afterwards.

    `orphaned`: entries that the file lacks and that stay, as `append` removes nothing. `matched`: entries that were
    found by their question. The lists hold up to LISTED entries each.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    total: int
    orphaned: int = 0
    matched: int = 0
    added_entries: list[Change] = field(default_factory=list)
    updated_entries: list[Change] = field(default_factory=list)
    orphaned_entries: list[Change] = field(default_factory=list)
    removed_entries: list[Change] = field(default_factory=list)
    kept_old: list[KeptOld] = field(default_factory=list)


class Intake:
    """One import, within one transaction."""

    def __init__(
        self, connection: Connection, mode: Mode, dry_run: bool, by: str | None = None, stems: Stems | None = None
    ) -> None:
        """`by`: who imports, for the history. `stems`: for search."""
        self._stems = stems
        self._connection, self._replace, self._dry_run = connection, mode == "replace", dry_run
        self._author = {"changed_by": by, "act": "imported"}
        self._known: dict[str, tuple[str, int]] = {}  # id -> digest, position
        self._ids_by_question: dict[str, list[str]] = defaultdict(list)  # question -> ids
        rows = connection.execute(select(EntryRow.id, EntryRow.digest, EntryRow.position, EntryRow.question))
        for entry_id, digest, position, question in rows:
            self._known[entry_id] = digest, position
            if question:
                self._ids_by_question[same_question(question)].append(entry_id)
        last = max((position for _, position in self._known.values()), default=-1)
        self._next = 0 if self._replace else last + 1
        self._seen: dict[str, str] = {}
        self._unchanged = self._matched = 0
        self._added, self._updated = _Listed(), _Listed()
        self._with_known_question: list[Entry] = []  # added, and the store has their question

    def matched(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """The entries; one that was given no id has that of the only entry of the store with its question.

        Not where the file has the question twice, or has the entry of the store under its id.
        """
        counts = Counter(same_question(entry.question) for entry in entries)
        given = {entry.id for entry in entries}
        for entry in entries:
            question = same_question(entry.question)
            old_ids = (
                [name for name in self._ids_by_question.get(question, ()) if name not in given]
                if entry.question
                else []
            )
            if _is_derived(entry) and entry.id not in self._known and len(old_ids) == counts[question] == 1:
                self._matched += 1
                yield entry.model_copy(update={"id": old_ids[0]})
            else:
                yield entry

    def take(self, batch: Iterable[Entry]) -> None:
        """Insert new entries, update changed ones, and move those of which only the position changed."""
        inserts: list[dict[str, Any]] = []
        moves: list[dict[str, Any]] = []
        updates: dict[str, tuple[Entry, dict[str, Any]]] = {}
        for entry in batch:
            digest = entry.digest
            if self._repeated(entry.id, digest):
                continue
            old_digest, old_position = self._known.get(entry.id, (None, -1))
            position = self._position(old_position)
            if old_digest is None:
                inserts.append(self._values(entry, digest, position) | {"id": entry.id, "created_at": utc_now()})
                self._note_added(entry)
            elif old_digest != digest:
                updates[entry.id] = entry, self._values(entry, digest, position) | {"entry_id": entry.id}
            elif old_position != position:
                moves.append({"entry_id": entry.id, "position": position})
            self._unchanged += old_digest == digest
        self._note_updated([entry for entry, _ in updates.values()])
        self._write(inserts, [values for _, values in updates.values()], moves)

    def finish(self) -> ImportReport:
        """Remove entries that the import lacks if its mode is `replace`. Returns the report."""
        missing_ids = [entry_id for entry_id in self._known if entry_id not in self._seen]
        missing = self._changes(missing_ids[:LISTED])
        if missing_ids and self._replace and not self._dry_run:
            history.keep_removed(self._connection, missing_ids, self._author["changed_by"])
            by_id = delete(EntryRow).where(EntryRow.id == bindparam("entry_id"))
            self._connection.execute(by_id, [{"entry_id": entry_id} for entry_id in missing_ids])
        removed = len(missing_ids) if self._replace else 0
        return ImportReport(
            added=self._added.count,
            updated=self._updated.count,
            unchanged=self._unchanged,
            removed=removed,
            total=len(self._known) + self._added.count - removed,
            orphaned=len(missing_ids) - removed,
            matched=self._matched,
            added_entries=self._added.entries,
            updated_entries=self._updated.entries,
            orphaned_entries=[] if self._replace else missing,
            removed_entries=missing if self._replace else [],
            kept_old=[] if self._replace else self._kept_old(),
        )

    def _write(self, inserts: list[dict[str, Any]], updates: list[dict[str, Any]], moves: list[dict[str, Any]]) -> None:
        if self._dry_run:
            return
        last = history.last_versions(self._connection, [row["id"] for row in inserts])
        inserts = [row | {"version": last.get(row["id"], 0) + 1} for row in inserts]
        history.keep(self._connection, [row["entry_id"] for row in updates])
        by_id = update(EntryRow).where(EntryRow.id == bindparam("entry_id"))
        changed = by_id.values(version=EntryRow.version + 1)
        for statement, rows in ((insert(EntryRow), inserts), (changed, updates), (by_id, moves)):
            if rows:
                self._connection.execute(statement, rows)

    def _values(self, entry: Entry, digest: str, position: int) -> dict[str, Any]:
        return values_of(entry, digest, position, self._stems) | self._author

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

    def _note_added(self, entry: Entry) -> None:
        self._added.add(Change(entry.id, entry.question))
        if entry.question and same_question(entry.question) in self._ids_by_question:
            self._with_known_question.append(entry)

    def _note_updated(self, entries: Sequence[Entry]) -> None:
        """`entries`: of one batch, not written yet."""
        remaining = LISTED - len(self._updated.entries)
        new = {entry.id: entry for entry in entries[:remaining]}
        query = select(*ENTRY_COLUMNS).where(EntryRow.id.in_(list(new)))
        old = {entry.id: entry for entry in map(entry_of, self._connection.execute(query))} if new else {}
        for entry in entries:
            fields = differing(old[entry.id], entry) if entry.id in old else ()
            self._updated.add(Change(entry.id, entry.question, fields))

    def _changes(self, ids: list[str]) -> list[Change]:
        query = select(EntryRow.id, EntryRow.question).where(EntryRow.id.in_(ids))
        changes = {row.id: Change(row.id, row.question) for row in self._connection.execute(query)} if ids else {}
        return [changes[entry_id] for entry_id in ids]

    def _kept_old(self) -> list[KeptOld]:
        kept = []
        for entry in self._with_known_question:
            old = tuple(name for name in self._ids_by_question[same_question(entry.question)] if name not in self._seen)
            if old:
                kept.append(KeptOld(entry.id, entry.question, old, _is_derived(entry)))
        return kept


def _is_derived(entry: Entry) -> bool:
    """True for an entry without an id of its own."""
    return entry.id == content_hash(entry.question, entry.answer)


def differing(old: Entry, new: Entry) -> tuple[str, ...]:
    """The fields in which two entries differ; of metadata the keys, as `metadata.lang`."""
    fields = [
        name
        for name in ("question", "answer", "alternatives", "negatives", *PUBLICATION)
        if getattr(old, name) != getattr(new, name)
    ]
    keys = sorted(key for key in {*old.metadata, *new.metadata} if _value(old, key) != _value(new, key))
    return (*fields, *(f"metadata.{key}" for key in keys))


def _value(entry: Entry, key: str) -> object:
    value = entry.metadata.get(key)
    return type(value), value  # true and 1 are two values


class _Listed:
    """A count, and the first LISTED of what is counted."""

    def __init__(self) -> None:
        self.count = 0
        self.entries: list[Change] = []

    def add(self, change: Change) -> None:
        """Count a change."""
        self.count += 1
        if len(self.entries) < LISTED:
            self.entries.append(change)
