"""An entry as the store holds it: with its version, its author and its times."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from app.errors import NotFound, Stale
from app.knowledge.entry import Entry
from app.knowledge.rows_of_entries import ENTRY_COLUMNS, entry_of
from app.knowledge.tables import EntryRow

ANY = "*"  # the entity tag that every entry matches
COLUMNS = (*ENTRY_COLUMNS, EntryRow.version, EntryRow.changed_by, EntryRow.created_at, EntryRow.updated_at)


@dataclass(frozen=True)
class Stored:
    """One entry of the store. `changed_by`: who wrote this version; None where it was not recorded."""

    entry: Entry
    version: int
    changed_by: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """The entity tag, which differs between any two versions, in quotes as HTTP writes it."""
        return f'"{self.version}-{self.entry.digest[:16]}"'

    def document(self) -> dict[str, Any]:
        """The entry and what the store knows of it, in JSON values."""
        return self.entry.model_dump(mode="json") | {
            "version": self.version,
            "etag": self.etag,
            "changed_by": self.changed_by,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    def check(self, etags: Collection[str]) -> None:
        """Raise Stale, which holds this entry, unless its entity tag is among `etags` or these are ANY."""
        if ANY not in etags and self.etag not in etags:
            message = f"The entry `{self.entry.id}` was changed in the meantime. Look at it, and send its `etag`."
            raise Stale(message, self.document())


def stored_of(row: Sequence[Any]) -> Stored:
    """The entry of a row of COLUMNS. Raises StoreError for one that is damaged."""
    count = len(ENTRY_COLUMNS)
    return Stored(entry_of(row[:count]), *row[count : len(COLUMNS)])


def stored_entry(connection: Connection, entry_id: str) -> Stored:
    """One entry. Raises NotFound."""
    row = connection.execute(select(*COLUMNS).where(EntryRow.id == entry_id)).first()
    if row is None:
        raise NotFound(f"There is no entry `{entry_id}`.")
    return stored_of(row)
