"""Questions that were not answered well, and what people decided about them. Every method may raise StoreError.

A question failed if it found no answer, a choice of answers, or an answer that a user called unhelpful. Questions that
differ only in case and outer punctuation are one.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, func, select

from app.knowledge.database import Database
from app.questions.figures import Period
from app.questions.popular import question_key
from app.questions.rollups import inserting
from app.questions.selection import normalized
from app.questions.tables import FeedbackRow, QuestionDayRow, ReviewRow

Act = Literal["draft", "alternatives", "negatives", "dismiss"]
MOST = 3_000  # questions that failed most, and latest unhelpful feedbacks, that are looked through


class Failed(NamedTuple):
    """A question that failed. `last_asked`: seconds since 1970."""

    key: int
    question: str
    no_answer: int
    ambiguous: int
    unhelpful: int
    last_asked: float

    @property
    def times(self) -> int:
        """How often it failed."""
        return self.no_answer + self.ambiguous + self.unhelpful


class Review(NamedTuple):
    """A decision about a question that had failed so often."""

    act: str
    failed: int


class Reviews:
    """Reads what failed, and keeps what was decided. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def failed(self, period: Period) -> list[Failed]:
        """The questions that failed in the period, those that failed most first; what was decided does not matter."""
        with self._database.read() as connection:
            asked = _asked(connection, period)
            unhelpful = _unhelpful(connection, period, asked)
        counted = [question._replace(unhelpful=unhelpful[key]) for key, question in asked.items()]
        failed = [question for question in counted if question.times]
        return sorted(failed, key=lambda question: (-question.times, -question.last_asked, question.key))

    def decisions(self) -> dict[int, Review]:
        """What was decided, by the key of the question."""
        query = select(ReviewRow.key, ReviewRow.act, ReviewRow.failed)
        with self._database.read() as connection:
            return {row.key: Review(row.act, row.failed) for row in connection.execute(query)}

    def dismissed_texts(self) -> list[str]:
        """The questions that were dismissed and whose texts are still kept, in the order of their keys."""
        key, dismissed = QuestionDayRow.key, select(ReviewRow.key).where(ReviewRow.act == "dismiss")
        query = select(key, func.max(QuestionDayRow.question)).where(key.in_(dismissed)).group_by(key).order_by(key)
        with self._database.read() as connection:
            return [row[1] for row in connection.execute(query)]

    def finish(self, questions: Iterable[Failed], act: Act, by: str, now: float) -> None:
        """Keep the decision about these questions. `by`: whose it is."""
        done = {"act": act, "done_by": by, "done_at": now}
        failed = {question.key: question.times for question in questions}
        rows = [{"key": key, "failed": times, **done} for key, times in sorted(failed.items())]
        with self._database.write(lock=None) as connection:
            insert = inserting(connection, ReviewRow)
            changes = {name: insert.excluded[name] for name in ("failed", *done)}
            connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_=changes), rows)

    def reopen(self, keys: Iterable[int]) -> int:
        """Forget what was decided about these questions, at most a few thousand; returns how many there were."""
        with self._database.write(lock=None) as connection:
            return connection.execute(delete(ReviewRow).where(ReviewRow.key.in_(sorted(keys)))).rowcount


def _asked(connection: Connection, period: Period) -> dict[int, Failed]:
    """The questions of the period that failed most, by key; helpful or not is not known here."""
    first, end = period.days
    day, key = QuestionDayRow.day, QuestionDayRow.key
    no_answer, ambiguous = func.sum(QuestionDayRow.no_answer), func.sum(QuestionDayRow.ambiguous)
    text = func.max(QuestionDayRow.question)
    query = select(key, text, no_answer, ambiguous, func.max(QuestionDayRow.last_asked)).group_by(key)
    query = query.where(day >= first, day < end).order_by((no_answer + ambiguous).desc(), key).limit(MOST)
    rows = connection.execute(query).all()
    return {row[0]: Failed(row[0], row[1], int(row[2]), int(row[3]), 0, row[4]) for row in rows}


def _unhelpful(connection: Connection, period: Period, asked: dict[int, Failed]) -> Counter[int]:
    """How often each question got an unhelpful answer. Questions that only feedback knows are added to `asked`."""
    given = FeedbackRow.given_at
    query = select(FeedbackRow.question, given).where(given >= period.start, given < period.end)
    query = query.where(FeedbackRow.helpful.is_(False), FeedbackRow.question.is_not(None))
    counts: Counter[int] = Counter()
    for text, at in connection.execute(query.order_by(given.desc()).limit(MOST)):
        assert text is not None  # noqa: S101 - the query leaves those out
        key = question_key(normalized(text))
        counts[key] += 1
        asked.setdefault(key, Failed(key, text, 0, 0, 0, at))
    return counts
