"""The question log: what was asked, in the database. Every method may raise StoreError."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, Delete, Select, Update, delete, select, tuple_, update

from app.errors import NotFound
from app.knowledge.database import Database
from app.questions import groups, popular, rollups
from app.questions.asked import DAY_S, KEEPS_TEXTS, Asked, kept_text
from app.questions.paging import cursor, key_of
from app.questions.selection import Selection, normalized
from app.questions.tables import FeedbackRow, QuestionRow
from app.settings import LogQuestions

_STREAMED = 1_000
_FORGOTTEN = 5_000  # rows a transaction, so that other writers do not wait long
EVERYTHING = Selection()


class Logged(NamedTuple):
    """A logged question; the fields are those of `QuestionRow`. The text is as asked, or redacted."""

    id: int
    request_id: str
    asked_at: float
    question: str
    outcome: str
    faq_id: str | None
    confidence: float | None
    took_ms: float
    release: str
    key_name: str | None
    session: str | None


class Page(NamedTuple):
    """Logged questions, newest first; the cursor of the page that follows, None on the last."""

    questions: list[Logged]
    next_after: str | None


class Erased(NamedTuple):
    """How many rows an erasure deleted."""

    questions: int
    feedback: int


class QuestionLog:
    """Writes, reads, erases and forgets logged questions. Safe to share between threads and processes."""

    def __init__(self, database: Database, mode: LogQuestions, days: int = 0) -> None:
        """`days`: how long texts are kept; 0: forever."""
        self._database = database
        self._days = days
        self.mode: LogQuestions = mode

    def write(self, batch: Sequence[Asked]) -> None:
        """Add a batch to the counts and, where texts are kept, to the log: all of it, or nothing."""
        rows = _rows(batch, self.mode) if KEEPS_TEXTS[self.mode] else []
        with self._database.write(lock=None) as connection:
            rollups.add(connection, batch)
            if rows:
                insert = rollups.inserting(connection, QuestionRow)
                connection.execute(insert.on_conflict_do_nothing(index_elements=["request_id"]), rows)
                popular.add(connection, rows)

    def page(self, limit: int = 50, after: str | None = None, selection: Selection = EVERYTHING) -> Page:
        """Up to `limit` questions, newest first. Raises InputError for an `after` that is no cursor of this list."""
        query = _newest_first(selection).limit(limit + 1)
        if after is not None:
            query = query.where(tuple_(QuestionRow.asked_at, QuestionRow.id) < key_of(after, float, int))
        with self._database.read() as connection:
            rows = [Logged(*row) for row in connection.execute(query)]
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(rows[:limit], cursor(last.asked_at, last.id) if last else None)

    def stream(self, selection: Selection = EVERYTHING) -> Iterator[Logged]:
        """Every question of the selection, newest first, from one state of the database."""
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=_STREAMED).execute(_newest_first(selection)):
                yield Logged(*row)

    def get(self, request_id: str) -> Logged:
        """The question of one request. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(QuestionRow.request_id == request_id)).first()
        if row is None:
            raise NotFound(f"The question of the request {request_id} is not in the log.")
        return Logged(*row)

    def is_empty(self) -> bool:
        """Whether no question is logged."""
        with self._database.read() as connection:
            return connection.execute(select(QuestionRow.id).limit(1)).first() is None

    def erase(self, session: str) -> Erased:
        """Delete every question and feedback of a session, also from the pages of the database file.

        The counts of outcomes and entries, which hold no texts and no sessions, stay.
        """
        with self._database.write(lock=None) as connection:
            popular.subtract(connection, session)
            groups.forget(connection)
            questions = _count(connection.execute(delete(QuestionRow).where(QuestionRow.session == session)))
            feedback = _count(connection.execute(delete(FeedbackRow).where(FeedbackRow.session == session)))
        self._database.empty_wal()
        return Erased(questions, feedback)

    def forget(self, now: float) -> None:
        """Delete questions and the texts of feedback that are older than the log keeps them, and very old counts."""
        with self._database.write(lock=None) as connection:
            rollups.forget(connection, now)
            connection.execute(delete(FeedbackRow).where(FeedbackRow.given_at < now - rollups.KEPT_DAYS * DAY_S))
        if self._days:
            before = now - self._days * DAY_S
            old = select(QuestionRow.id).where(QuestionRow.asked_at < before).order_by(QuestionRow.asked_at)
            with self._database.write(lock=None) as connection:
                popular.forget(connection, before)
                groups.forget(connection)
            self._repeatedly(delete(QuestionRow).where(QuestionRow.id.in_(old.limit(_FORGOTTEN).scalar_subquery())))
            texts: dict[str, None] = {"question": None, "comment": None, "session": None}
            self._repeatedly(update(FeedbackRow).where(FeedbackRow.given_at < before, _has_texts()).values(texts))

    def _repeatedly(self, statement: Delete | Update) -> None:
        """Execute a statement, each time in a transaction of its own, until it changes nothing."""
        changed = 1
        while changed:
            with self._database.write(lock=None) as connection:
                changed = _count(connection.execute(statement))


_COLUMNS = tuple(getattr(QuestionRow, name) for name in Logged._fields)


def _newest_first(selection: Selection) -> Select[*tuple[Any, ...]]:
    order = QuestionRow.asked_at.desc(), QuestionRow.id.desc()
    return select(*_COLUMNS).where(*selection.conditions()).order_by(*order)


def _has_texts() -> ColumnElement[bool]:
    columns = FeedbackRow.question, FeedbackRow.comment, FeedbackRow.session
    return columns[0].is_not(None) | columns[1].is_not(None) | columns[2].is_not(None)


def _count(result: CursorResult[Any]) -> int:
    return result.rowcount


def _rows(batch: Iterable[Asked], mode: LogQuestions) -> list[dict[str, Any]]:
    """The rows of a batch. A text that was asked several times is redacted once."""
    texts: dict[str, tuple[str, str]] = {}
    rows = []
    for asked in batch:
        if asked.question not in texts:
            kept = kept_text(asked.question, mode)
            texts[asked.question] = kept, normalized(kept)
        rows.append(_row(asked, *texts[asked.question]))
    return rows


def _row(asked: Asked, question: str, comparable: str) -> dict[str, Any]:
    best = asked.best
    return {
        "request_id": asked.request_id,
        "asked_at": asked.asked_at,
        "question": question,
        "normalized": comparable,
        "outcome": asked.reply.status,
        "faq_id": best.id if best else None,
        "confidence": best.confidence if best else None,
        "took_ms": asked.took_ms,
        "release": asked.release,
        "key_name": asked.key_name,
        "session": asked.session,
    }
