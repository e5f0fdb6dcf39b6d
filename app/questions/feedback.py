"""Feedback: what users say of answers, once for each request and answer. Every method may raise StoreError."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, false, select, tuple_

from app.errors import Conflict, InputError
from app.knowledge.database import Database
from app.knowledge.tables import EntryRow
from app.questions.asked import DAY_S
from app.questions.paging import cursor, key_of
from app.questions.redaction import redacted
from app.questions.rollups import inserting
from app.questions.tables import FeedbackRow

Reason = Literal["wrong", "outdated", "unclear", "other"]

CHANGEABLE_S = float(DAY_S)
_STREAMED = 1_000


class Opinion(NamedTuple):
    """What a user said. `faq_id`: the answer that is meant; None: the whole reply. `correct_faq_id`: the entry that
    would have been right."""

    helpful: bool
    faq_id: str | None = None
    reason: Reason | None = None
    comment: str | None = None
    correct_faq_id: str | None = None


class Subject(NamedTuple):
    """The reply that feedback is about. `question`: its text, None where nobody has it."""

    request_id: str
    outcome: str
    release: str
    question: str | None
    session: str | None
    key_name: str | None


class Given(NamedTuple):
    """A feedback as it is stored: texts are redacted, times are seconds since 1970."""

    request_id: str
    faq_id: str | None
    helpful: bool
    reason: Reason | None
    comment: str | None
    correct_faq_id: str | None
    question: str | None
    outcome: str
    release: str
    key_name: str | None
    session: str | None
    given_at: float
    changed_at: float

    @property
    def right_entry(self) -> str | None:
        """The entry that answers the question, as far as the user has said; None where that is not known."""
        return self.correct_faq_id or (self.faq_id if self.helpful else None)

    @property
    def changeable_until(self) -> float:
        """Until when the user may change it."""
        return self.given_at + CHANGEABLE_S


class FeedbackSelection(NamedTuple):
    """Which feedback; None: whatever it is. `corrected`: whether it names the entry that would have been right."""

    helpful: bool | None = None
    faq_id: str | None = None
    corrected: bool | None = None
    given_from: float | None = None
    given_before: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions that a feedback must meet."""
        conditions: list[ColumnElement[bool]] = []
        if self.helpful is not None:
            conditions.append(FeedbackRow.helpful.is_(self.helpful))
        if self.faq_id is not None:
            conditions.append(false() if "\0" in self.faq_id else FeedbackRow.faq_id == self.faq_id)
        if self.corrected is not None:
            named = FeedbackRow.correct_faq_id.is_not(None)
            conditions.append(named if self.corrected else ~named)
        if self.given_from is not None:
            conditions.append(FeedbackRow.given_at >= self.given_from)
        if self.given_before is not None:
            conditions.append(FeedbackRow.given_at < self.given_before)
        return conditions


ALL_FEEDBACK = FeedbackSelection()


class FeedbackPage(NamedTuple):
    """Feedback, newest first; the cursor of the page that follows, None on the last."""

    feedback: list[Given]
    next_after: str | None


class Feedbacks:
    """Writes and reads feedback. Safe to share between threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, subject: Subject, opinion: Opinion, now: float) -> Given:
        """Store a feedback, or change the one given before. Raises Conflict once it can no longer be changed, and
        InputError for a correct entry that does not exist."""
        row = _row(subject, opinion, now)
        with self._database.write(lock=None) as connection:
            if opinion.correct_faq_id is not None:
                _check_exists(connection, opinion.correct_faq_id, "correct_faq_id")
            insert = inserting(connection, FeedbackRow)
            changes = {name: insert.excluded[name] for name in row if name not in ("request_id", "faq_id", "given_at")}
            upsert = insert.on_conflict_do_update(
                index_elements=["request_id", "faq_id"],
                set_=changes,
                where=FeedbackRow.given_at > now - CHANGEABLE_S,
            )
            stored = connection.execute(upsert.returning(*_COLUMNS), row).first()
        if stored is None:
            raise Conflict("This feedback was given more than a day ago and can no longer be changed.")
        return _given(stored)

    def page(
        self, limit: int = 50, after: str | None = None, selection: FeedbackSelection = ALL_FEEDBACK
    ) -> FeedbackPage:
        """Up to `limit` feedbacks, newest first. Raises InputError for an `after` that is no cursor of this list."""
        query = _newest_first(selection).limit(limit + 1)
        if after is not None:
            query = query.where(tuple_(*_KEY) < key_of(after, float, str, str))
        with self._database.read() as connection:
            given = [_given(row) for row in connection.execute(query)]
        last = given[limit - 1] if len(given) > limit else None
        following = cursor(last.given_at, last.request_id, last.faq_id or "") if last else None
        return FeedbackPage(given[:limit], following)

    def stream(self, selection: FeedbackSelection = ALL_FEEDBACK) -> Iterator[Given]:
        """Every feedback of the selection, newest first, from one state of the database."""
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=_STREAMED).execute(_newest_first(selection)):
                yield _given(row)


_COLUMNS = tuple(getattr(FeedbackRow, name) for name in Given._fields)
_KEY = (FeedbackRow.given_at, FeedbackRow.request_id, FeedbackRow.faq_id)


def _newest_first(selection: FeedbackSelection) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(*selection.conditions()).order_by(*(column.desc() for column in _KEY))


def _row(subject: Subject, opinion: Opinion, now: float) -> dict[str, Any]:
    texts = {"question": subject.question, "comment": opinion.comment}
    return {
        **subject._asdict(),
        **opinion._asdict(),
        **{name: None if text is None else redacted(text) for name, text in texts.items()},
        "faq_id": opinion.faq_id or "",
        "given_at": now,
        "changed_at": now,
    }


def _given(row: Any) -> Given:  # noqa: ANN401 - a row of _COLUMNS
    given = Given(*row)
    return given._replace(faq_id=given.faq_id or None)


def _check_exists(connection: Connection, faq_id: str, field: str) -> None:
    if connection.scalar(select(EntryRow.id).where(EntryRow.id == faq_id)) is None:
        raise InputError(f"There is no entry `{faq_id}`.", field)
