"""The tables of golden questions and of the runs that measure releases on them. A change here needs a migration."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.knowledge.tables import Base, UtcDateTime, utc_now


class GoldenRow(Base):
    """One golden question. `faq_id` is None where no entry answers it; `digest` is unique, of the question's text;
    `searchable` holds question, expected entry, source and note without case."""

    __tablename__ = "golden_questions"
    __table_args__ = (Index("ix_golden_questions_digest", "digest", unique=True), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    faq_id: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    searchable: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class RunRow(Base):
    """One measurement of a release on the golden questions. `against`: the release that was live; `details`: the
    questions that broke, and those that were not counted."""

    __tablename__ = "golden_runs"
    __table_args__ = (Index("ix_golden_runs_release", "release"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    release: Mapped[str] = mapped_column(String(200))
    against: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(16))
    questions: Mapped[int]
    asked: Mapped[int]
    right: Mapped[int]
    broken: Mapped[int]
    fixed: Mapped[int]
    waived: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    overridden_by: Mapped[str | None] = mapped_column(String(64))
    took_ms: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
