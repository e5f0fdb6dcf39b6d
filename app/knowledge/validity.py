"""Which entries answer at a moment, and the moments at which they begin and cease to."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from app.knowledge.publication import moment
from app.knowledge.tables import EntryRow

_MOMENTS = (EntryRow.valid_from, EntryRow.valid_until)


def answers_at(at: datetime) -> ColumnElement[bool]:
    """The condition that an entry is live, and valid at this moment: `publication.answers_at` in SQL."""
    now = moment(at)
    return and_(
        EntryRow.state == "live",
        or_(EntryRow.valid_from.is_(None), EntryRow.valid_from <= now),
        or_(EntryRow.valid_until.is_(None), EntryRow.valid_until > now),
    )


def changed_between(connection: Connection, since: datetime, until: datetime) -> frozenset[str]:
    """The ids of the live entries whose validity began or ended after `since`, at `until` at the latest."""
    begin, end = moment(since), moment(until)
    within = or_(*(and_(column > begin, column <= end) for column in _MOMENTS))
    return frozenset(connection.scalars(select(EntryRow.id).where(EntryRow.state == "live", within)))


def next_change(connection: Connection, after: datetime) -> datetime | None:
    """The first moment after `after` at which the validity of a live entry begins or ends; None where there is none."""
    queries = (select(func.min(column)).where(EntryRow.state == "live", column > moment(after)) for column in _MOMENTS)
    moments = [text for text in map(connection.scalar, queries) if text is not None]
    return datetime.fromisoformat(min(moments)).astimezone(UTC) if moments else None
