"""The base of all tables, and the table of entries. A change here needs a migration."""

from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, Dialect, Index, String, Text, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which knows no time zones, gives it back with one too."""

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


class Content:
    """The columns that one version of an entry has: its fields, who wrote it, when and how."""

    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    alternatives: Mapped[list[str]] = mapped_column(JSON)
    negatives: Mapped[list[str]] = mapped_column(JSON)
    meta: Mapped[dict[str, object]] = mapped_column("metadata", JSON)
    state: Mapped[str] = mapped_column(String(16), server_default="live")
    valid_from: Mapped[str | None] = mapped_column(String(20))
    valid_until: Mapped[str | None] = mapped_column(String(20))
    follow_ups: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    changed_by: Mapped[str | None] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(16), server_default="imported")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


def _of_the_few(column: str) -> Index:
    """An index of the entries that have a value in this column."""
    known = text(f"{column} IS NOT NULL")
    return Index(f"ix_entries_{column}", column, sqlite_where=known, postgresql_where=known)


class EntryRow(Content, Base):
    """One entry. `position` keeps the order of import; `digest` is `Entry.digest`; `searchable` holds the texts that a
    search looks into, without case, and `terms` the metadata (`app.knowledge.search`). `stems` holds the stems of its
    words in `stem_language`, which is empty where they are still to be written (`app.knowledge.stems`)."""

    __tablename__ = "entries"
    __table_args__ = (
        Index("ix_entries_position", "position"),
        Index("ix_entries_listed", "updated_at", "id", "state", "act", "valid_from", "valid_until"),
        _of_the_few("valid_from"),
        _of_the_few("valid_until"),
        Index("ix_entries_stem_language", "stem_language"),
    )

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[int] = mapped_column(server_default="1")
    digest: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    searchable: Mapped[str] = mapped_column(Text, server_default="")
    terms: Mapped[str] = mapped_column(Text, server_default="")
    stems: Mapped[str] = mapped_column(Text, server_default="")
    stem_language: Mapped[str] = mapped_column(String(16), server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class VersionRow(Content, Base):
    """A version of an entry that a later one replaced at `replaced_at`, or the removal of the entry by an import."""

    __tablename__ = "entry_versions"
    __table_args__ = (
        Index("ix_entry_versions_replaced_at", "replaced_at"),
        Index("ix_entry_versions_updated_at", "updated_at", "act", "entry_id"),
    )

    entry_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)
