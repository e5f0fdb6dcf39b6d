"""Numbers of entries: in each state, published now, and changed since a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from app.knowledge.tables import EntryRow, VersionRow, utc_now
from app.knowledge.validity import answers_at


@dataclass(frozen=True)
class Counts:
    """Numbers of entries: in each state, those that a release of now would hold, and those that changed."""

    states: Mapping[str, int]
    published: int
    changed: int


def counts(connection: Connection, since: datetime | None) -> Counts:
    """The counts now. `changed`: since this moment; 0 where `since` is None."""
    by_state = select(EntryRow.state, func.count()).group_by(EntryRow.state)
    states = {row[0]: row[1] for row in connection.execute(by_state)}
    published = connection.scalar(select(func.count()).select_from(EntryRow).where(answers_at(utc_now())))
    return Counts(states, published or 0, _changed(connection, since) if since else 0)


def _changed(connection: Connection, since: datetime) -> int:
    """How many entries were added, changed or removed after `since`."""
    changed = select(EntryRow.id).where(EntryRow.updated_at > since)
    removed = select(VersionRow.entry_id).where(VersionRow.act == "removed", VersionRow.updated_at > since)
    return connection.scalar(select(func.count()).select_from(changed.union(removed).subquery())) or 0
