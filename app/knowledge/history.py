"""What entries were before: each version that a later one replaced, who wrote it and when, and how it differs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, literal, select

from app.batches import batches
from app.knowledge.entry import Entry
from app.knowledge.rows_of_entries import FIELDS, entry_of
from app.knowledge.tables import EntryRow, UtcDateTime, VersionRow, utc_now

Act = Literal["imported", "created", "updated", "archived", "restored", "removed"]

_BATCH = 1_000  # ids in one statement
_CONTENT = [name for name in FIELDS if name != "id"]
_VERSION, _ENTRY = VersionRow.__table__, EntryRow.__table__


@dataclass(frozen=True)
class Difference:
    """A field that a version changed; of metadata one key, as `metadata.lang`."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Version:
    """One version of an entry. `differences`: from the version before it; every field with a value in the first one.

    `by`: the name of the key, `command line`, or None where it was not recorded.
    """

    version: int
    act: Act
    by: str | None
    at: datetime
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Changed:
    """A change of an entry: what was done, by whom and when, and its question after it."""

    id: str
    question: str
    act: Act
    by: str | None
    at: datetime


@dataclass(frozen=True)
class Changes:
    """The changes within a time: how many of each act, and the latest."""

    counts: Mapping[Act, int]
    latest: Sequence[Changed]


def changes(connection: Connection, after: datetime, until: datetime, limit: int) -> Changes:
    """The changes after `after` and not after `until`; `limit`: how many of the latest are listed."""
    tables = ((_ENTRY, _ENTRY.c.id), (_VERSION, _VERSION.c.entry_id))
    counts: Counter[Act] = Counter()
    latest: list[Changed] = []
    for table, entry_id in tables:
        within = (table.c.updated_at > after, table.c.updated_at <= until)
        counted = select(table.c.act, func.count()).where(*within).group_by(table.c.act)
        counts.update({row[0]: row[1] for row in connection.execute(counted)})
        columns = (entry_id, *(table.c[name] for name in ("question", "act", "changed_by", "updated_at")))
        query = select(*columns).where(*within).order_by(table.c.updated_at.desc()).limit(limit)
        latest += [Changed(*row) for row in connection.execute(query)]
    return Changes(counts, sorted(latest, key=lambda change: change.at, reverse=True)[:limit])


def keep(connection: Connection, ids: Sequence[str]) -> None:
    """Keep the present versions of these entries, which are about to be replaced."""
    names = [*_CONTENT, "changed_by", "act", "updated_at", "version"]
    for batch in batches(ids, _BATCH):
        now = literal(utc_now(), UtcDateTime())
        present = select(_ENTRY.c.id, now, *(_ENTRY.c[name] for name in names)).where(_ENTRY.c.id.in_(batch))
        connection.execute(insert(VersionRow).from_select(["entry_id", "replaced_at", *names], present))


def keep_removed(connection: Connection, ids: Sequence[str], by: str | None) -> None:
    """Keep the present versions of entries that an import is about to remove, and after each that it was removed."""
    keep(connection, ids)
    names = [*_CONTENT, "version", "changed_by", "act", "updated_at", "replaced_at"]
    for batch in batches(ids, _BATCH):
        now = literal(utc_now(), UtcDateTime())
        content = [_ENTRY.c[name] for name in _CONTENT]
        removed = select(_ENTRY.c.id, *content, _ENTRY.c.version + 1, literal(by), literal("removed"), now, now)
        connection.execute(insert(VersionRow).from_select(["entry_id", *names], removed.where(_ENTRY.c.id.in_(batch))))


def last_versions(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The number of the last version of each of these entries that the history knows."""
    query = select(VersionRow.entry_id, func.max(VersionRow.version)).where(VersionRow.entry_id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query.group_by(VersionRow.entry_id))}


def forget(connection: Connection, days: int | None, entry_id: str | None = None) -> None:
    """Delete the versions that were replaced more than `days` days ago, and all versions of `entry_id`."""
    if days is not None:
        connection.execute(delete(VersionRow).where(VersionRow.replaced_at < utc_now() - timedelta(days=days)))
    if entry_id is not None:
        connection.execute(delete(VersionRow).where(VersionRow.entry_id == entry_id))


def versions(connection: Connection, entry_id: str, days: int | None) -> list[tuple[Entry, Version]]:
    """Every version of an entry, oldest first, the present one included; none for an entry that never was."""
    columns = [*_CONTENT, "version", "act", "changed_by", "updated_at"]
    old = select(*(_VERSION.c[name] for name in columns)).where(_VERSION.c.entry_id == entry_id)
    if days is not None:
        old = old.where(_VERSION.c.replaced_at >= utc_now() - timedelta(days=days))
    rows = [
        *connection.execute(old.order_by(_VERSION.c.version)),
        *connection.execute(select(*(_ENTRY.c[name] for name in columns)).where(_ENTRY.c.id == entry_id)),
    ]
    entries = [_entry(entry_id, row) for row in rows]
    return [
        (entry, Version(row.version, row.act, row.changed_by, row.updated_at, differences(before, entry)))
        for before, entry, row in zip([None, *entries], entries, rows, strict=False)
    ]


def _entry(entry_id: str, row: Row[Any]) -> Entry:
    values = dict(zip(_CONTENT, row, strict=False)) | {"id": entry_id}
    return entry_of([values[name] for name in FIELDS])


def differences(before: Entry | None, after: Entry) -> tuple[Difference, ...]:
    """The fields that differ, with their values in both."""
    old, new = _values(before) if before else {}, _values(after)
    names = dict.fromkeys((*old, *new))
    return tuple(
        Difference(name, old.get(name), new.get(name))
        for name in names
        if (type(old.get(name)), old.get(name)) != (type(new.get(name)), new.get(name))  # true and 1 are two values
    )


def _values(entry: Entry) -> dict[str, Any]:
    """The fields that have a value, each key of the metadata as a field."""
    fields = entry.model_dump(mode="json", exclude={"id", "metadata"})
    fields |= {f"metadata.{key}": value for key, value in entry.metadata.items()}
    return {
        name: value for name, value in fields.items() if name.startswith("metadata.") or value not in ("", [], None)
    }
