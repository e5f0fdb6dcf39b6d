"""Questions that wait for a person: those that found no answer, a choice or an unhelpful answer, most asked first.

Questions that differ in case and outer punctuation are one. What a person has dealt with is left out until it has been
asked twice as often again. Every method may raise StoreError.
"""

from collections import Counter
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select

from app.knowledge.database import Database
from app.questions.popular import question_key
from app.questions.rollups import inserting
from app.questions.selection import normalized
from app.questions.statistics import Period
from app.questions.tables import FeedbackRow, QuestionDayRow, QuestionRow, ReviewRow

EXAMPLES = 5
_READ = 5_000  # questions, and feedbacks, that are looked through


class Waiting(NamedTuple):
    """A question and how it went. `failed`: how often it was not answered well; `last_asked`: seconds since 1970."""

    key: int
    question: str
    no_answer: int
    ambiguous: int
    unhelpful: int
    last_asked: float

    @property
    def failed(self) -> int:
        """All of the three."""
        return self.no_answer + self.ambiguous + self.unhelpful


class Reviews:
    """Reads what waits, and keeps what was dealt with. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, period: Period) -> list[Waiting]:
        """The questions that wait, those with the most failures first."""
        with self._database.read() as connection:
            asked = _asked(connection, period)
            unhelpful = _unhelpful(connection, period, asked)
            done = {row.key: row.failed for row in connection.execute(select(ReviewRow.key, ReviewRow.failed))}
        found = [waiting._replace(unhelpful=unhelpful[key]) for key, waiting in asked.items()]
        left = [item for item in found if item.failed and item.failed >= 2 * done.get(item.key, 0)]
        return sorted(left, key=lambda item: (-item.failed, -item.last_asked, item.key))

    def examples(self, waiting: Waiting) -> list[str]:
        """The question in the words of several users, the latest first."""
        query = select(QuestionRow.question).where(QuestionRow.normalized == normalized(waiting.question))
        with self._database.read() as connection:
            texts = connection.scalars(query.order_by(QuestionRow.asked_at.desc()).limit(50)).all()
        return list(dict.fromkeys([waiting.question, *texts]))[:EXAMPLES]

    def finish(self, key: int, failed: int, by: str, now: float) -> None:
        """Note that a question which failed so often was dealt with. `by`: who."""
        row = {"key": key, "failed": failed, "done_by": by, "done_at": now}
        with self._database.write(lock=None) as connection:
            insert = inserting(connection, ReviewRow)
            changes = {name: insert.excluded[name] for name in row if name != "key"}
            connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_=changes), row)

    def reopen(self, key: int) -> None:
        """The question waits again."""
        with self._database.write(lock=None) as connection:
            connection.execute(delete(ReviewRow).where(ReviewRow.key == key))


def _asked(connection: Connection, period: Period) -> dict[int, Waiting]:
    """The questions of the period that failed most, by key; helpful or not is not known here."""
    first, end = period.days
    day, key = QuestionDayRow.day, QuestionDayRow.key
    no_answer, ambiguous = func.sum(QuestionDayRow.no_answer), func.sum(QuestionDayRow.ambiguous)
    text = func.max(QuestionDayRow.question)
    query = select(key, text, no_answer, ambiguous, func.max(QuestionDayRow.last_asked)).group_by(key)
    query = query.where(day >= first, day < end).order_by((no_answer + ambiguous).desc(), key).limit(_READ)
    rows = connection.execute(query).all()
    return {row[0]: Waiting(row[0], row[1], int(row[2]), int(row[3]), 0, row[4]) for row in rows}


def _unhelpful(connection: Connection, period: Period, asked: dict[int, Waiting]) -> Counter[int]:
    """How often each question got an unhelpful answer. Questions that only feedback knows are added to `asked`."""
    given = FeedbackRow.given_at
    query = select(FeedbackRow.question, given).where(given >= period.start, given < period.end)
    query = query.where(FeedbackRow.helpful.is_(False), FeedbackRow.question.is_not(None))
    counts: Counter[int] = Counter()
    for text, at in connection.execute(query.order_by(given.desc()).limit(_READ)):
        assert text is not None  # noqa: S101 - the query leaves those out
        key = question_key(normalized(text))
        counts[key] += 1
        asked.setdefault(key, Waiting(key, text, 0, 0, 0, at))
    return counts
