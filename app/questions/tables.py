"""The tables of what users asked and thought of it. A change here needs a migration.

Times are seconds since 1970: batches of questions are written without converting each time.
"""

from sqlalchemy import BigInteger, Double, Index, Integer, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.knowledge.tables import Base

_CLUSTERED = {"sqlite_with_rowid": False}  # rows in the order of their key: days are read without jumps
_RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only in a column of type INTEGER


class QuestionRow(Base):
    """One question that was asked; written only where texts are kept.

    `question`: as asked, or redacted; `normalized`: the same without case and outer punctuation, for searching and
    grouping. `outcome`: `answered`, `ambiguous` or `no_answer`. `faq_id` and `confidence`: of the best answer, or of
    the best suggestion where there was no answer.
    """

    __tablename__ = "questions"
    __table_args__ = (
        Index("ix_questions_asked_at", "asked_at", "id"),
        Index("ix_questions_request_id", "request_id", unique=True),
        Index("ix_questions_session", "session"),
    )

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    request_id: Mapped[str] = mapped_column(String(40))
    asked_at: Mapped[float] = mapped_column(Double)
    question: Mapped[str] = mapped_column(Text)
    normalized: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(16))
    faq_id: Mapped[str | None] = mapped_column(String(200))
    confidence: Mapped[float | None] = mapped_column(Double)
    took_ms: Mapped[float] = mapped_column(Double)
    release: Mapped[str] = mapped_column(String(200))
    key_name: Mapped[str | None] = mapped_column(String(64))
    session: Mapped[str | None] = mapped_column(String(64))


class FeedbackRow(Base):
    """What a user thought of one answer, or of a whole reply (`faq_id` is then empty).

    `question` and `comment` are always redacted; they and `session` become null when the log's days are over.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        Index("ix_feedback_given_at", "given_at", "request_id", "faq_id"),
        Index("ix_feedback_session", "session"),
    )

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    faq_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    helpful: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(String(16))
    comment: Mapped[str | None] = mapped_column(Text)
    correct_faq_id: Mapped[str | None] = mapped_column(String(200))
    question: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(16))
    release: Mapped[str] = mapped_column(String(200))
    key_name: Mapped[str | None] = mapped_column(String(64))
    session: Mapped[str | None] = mapped_column(String(64))
    given_at: Mapped[float] = mapped_column(Double)
    changed_at: Mapped[float] = mapped_column(Double)


class OutcomeHourRow(Base):
    """How many questions of one hour (UTC, hours since 1970) had one outcome and a confidence of one tenth.

    `tenth`: 0 to 9 of the best entry's confidence, -1 where no entry came near. `took_ms`: the sum of the latencies.
    """

    __tablename__ = "outcome_hours"
    __table_args__ = _CLUSTERED

    hour: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16), primary_key=True)
    tenth: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    questions: Mapped[int] = mapped_column(BigInteger)
    took_ms: Mapped[float] = mapped_column(Double)


class EntryDayRow(Base):
    """How often an entry was shown on one day (UTC, days since 1970).

    `hits`: as the first answer of an answered question; `options`: shown in any other way. `confidence`: the sum over
    the hits. `last_asked`: the time of the last hit, null without one.
    """

    __tablename__ = "entry_days"
    __table_args__ = _CLUSTERED

    day: Mapped[int] = mapped_column(primary_key=True)
    faq_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    hits: Mapped[int] = mapped_column(BigInteger)
    options: Mapped[int] = mapped_column(BigInteger)
    confidence: Mapped[float] = mapped_column(Double)
    last_asked: Mapped[float | None] = mapped_column(Double)


class QuestionDayRow(Base):
    """How often a question was asked on one day (UTC, days since 1970); written only where texts are kept.

    `key`: of the normalized question. `question`: its text as the first of that day had it, as asked or redacted.
    """

    __tablename__ = "question_days"
    __table_args__ = _CLUSTERED

    day: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    answered: Mapped[int] = mapped_column(BigInteger)
    ambiguous: Mapped[int] = mapped_column(BigInteger)
    no_answer: Mapped[int] = mapped_column(BigInteger)
    last_asked: Mapped[float] = mapped_column(Double)


class ReviewRow(Base):
    """A question that a person has dealt with. `key`: of `popular.question_key`; `failed`: how often it had failed."""

    __tablename__ = "reviews"

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    failed: Mapped[int] = mapped_column(BigInteger)
    done_by: Mapped[str] = mapped_column(String(64))
    done_at: Mapped[float] = mapped_column(Double)


class SecretRow(Base):
    """A random secret that all replicas share, in hex."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))
