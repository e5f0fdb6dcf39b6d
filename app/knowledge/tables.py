"""The base of all tables, and the table of entries. A change here needs a migration."""

from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, Dialect, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which knows no time zones, gives it back with one all the same."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. Raises ValueError for a moment without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """With its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """This moment, with its time zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""


class EntryRow(Base):
    """One entry. `position` keeps the order of import; `digest` is `Entry.digest`; `searchable` holds the texts that a
    search looks into, without case (`app.knowledge.search`)."""

    __tablename__ = "entries"
    __table_args__ = (Index("ix_entries_position", "position"),)

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    alternatives: Mapped[list[str]] = mapped_column(JSON)
    negatives: Mapped[list[str]] = mapped_column(JSON)
    meta: Mapped[dict[str, object]] = mapped_column("metadata", JSON)
    digest: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    searchable: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
