"""Changes of single entries, within one transaction; the history keeps each replaced version."""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from app.errors import Conflict, NotFound
from app.knowledge import history
from app.knowledge.entry import Entry
from app.knowledge.history import Act
from app.knowledge.rows_of_entries import values_of
from app.knowledge.stems import Stems
from app.knowledge.stored import Stored, stored_entry
from app.knowledge.tables import EntryRow, utc_now
from app.knowledge.wishes import wish

Tags = Collection[str]  # entity tags, one of which the entry must have


class Editor:
    """Changes entries on behalf of one person. `by`: the name that the history shows."""

    def __init__(
        self, connection: Connection, by: str | None, history_days: int | None = None, stems: Stems | None = None
    ) -> None:
        self._connection, self._by, self._history_days, self._stems = connection, by, history_days, stems
        self.erased = False  # whether an entry was

    def get(self, entry_id: str) -> Stored:
        """One entry. Raises NotFound."""
        return stored_entry(self._connection, entry_id)

    def create(self, entry: Entry, act: Act = "created") -> Stored:
        """Add an entry after all others and return it. Raises Conflict if its id is taken."""
        if self._connection.scalar(select(EntryRow.id).where(EntryRow.id == entry.id)) is not None:
            raise Conflict(f"There is an entry `{entry.id}` already. Change that one, or give the new one another id.")
        last = self._connection.scalar(select(func.max(EntryRow.position)))
        version = history.last_versions(self._connection, [entry.id]).get(entry.id, 0) + 1
        values = self._values(entry, -1 if last is None else last, version, act)
        self._connection.execute(insert(EntryRow), values | {"created_at": utc_now()})
        self._wish(entry)
        return self.get(entry.id)

    def change(self, entry_id: str, changed: Callable[[Entry], Entry], tags: Tags, act: Act = "updated") -> Stored:
        """Replace an entry with the result of `changed` and return it; an unchanged entry keeps its version.

        Raises NotFound, and Stale if its entity tag is not one of `tags`.
        """
        present = self.get(entry_id)
        present.check(tags)
        entry = changed(present.entry)
        if entry.digest == present.entry.digest:
            return present
        position = self._connection.scalars(select(EntryRow.position).where(EntryRow.id == entry_id)).one()
        history.keep(self._connection, [entry_id])
        values = self._values(entry, position - 1, present.version + 1, act)
        self._connection.execute(update(EntryRow).where(EntryRow.id == entry_id), values)
        self._wish(present.entry, entry)
        return self.get(entry_id)

    def archive(self, entry_id: str, tags: Tags) -> Stored:
        """Archive an entry, so that it no longer answers, and return it. Raises NotFound, Stale."""
        return self.change(entry_id, lambda entry: entry.model_copy(update={"state": "archived"}), tags, "archived")

    def restore(self, entry_id: str, version: int, tags: Tags | None) -> Stored:
        """Restore one version of an entry and return the entry; an entry that an import removed is added again.

        `tags` is None if the caller expects that the entry was removed. Raises NotFound, Stale.
        """
        entries = {kept.version: entry for entry, kept in self.versions(entry_id)}
        if version not in entries:
            raise NotFound(f"The entry `{entry_id}` has no version {version} in its history.")
        try:
            return self.change(entry_id, lambda _: entries[version], tags or (), "restored")
        except NotFound:
            return self.create(entries[version], "restored")

    def versions(self, entry_id: str) -> list[tuple[Entry, history.Version]]:
        """Every kept version of an entry, oldest first. Raises NotFound."""
        versions = history.versions(self._connection, entry_id, self._history_days)
        if not versions:
            raise NotFound(f"There is no entry `{entry_id}`, and none in the history.")
        return versions

    def purge(self, entry_id: str, tags: Tags) -> list[Entry]:
        """Erase an entry and its history, also if an import removed the entry, and return all versions that there were.

        Raises NotFound, Stale.
        """
        versions = [entry for entry, _ in self.versions(entry_id)]
        with suppress(NotFound):
            self.get(entry_id).check(tags)
        self._connection.execute(delete(EntryRow).where(EntryRow.id == entry_id))
        history.forget(self._connection, None, entry_id)
        wish(self._connection, entry_id, erased=True)
        self.erased = True
        return versions

    def _wish(self, *versions: Entry) -> None:
        """Have the change answer, unless none of the entry's versions, before and after it, is live."""
        if any(version.state == "live" for version in versions):
            wish(self._connection, versions[0].id)

    def _values(self, entry: Entry, before: int, version: int, act: Act) -> dict[str, Any]:
        """The columns of the entry's row; its position follows `before`."""
        author = {"id": entry.id, "version": version, "changed_by": self._by, "act": act}
        return values_of(entry, entry.digest, before + 1, self._stems) | author
