"""Statistics of what users ask: by entry, by hour and by question, from the counts that are written with the log.

Days and hours are those of UTC. Every method may raise StoreError.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Subquery, case, func, select, tuple_

from app.knowledge.database import Database
from app.knowledge.tables import EntryRow
from app.questions import popular
from app.questions.asked import DAY_S, HOUR_S
from app.questions.figures import EntryFigures, EntryPage, EntrySort, HelpfulShare, HourFigures, Period, TopQuestion
from app.questions.paging import cursor, key_of
from app.questions.tables import EntryDayRow, FeedbackRow, OutcomeHourRow, QuestionDayRow


class Statistics:
    """Reads the counts. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(
        self, period: Period, sort: EntrySort = "-hits", limit: int = 50, after: str | None = None, never: bool = False
    ) -> EntryPage:
        """Entries of the store with their figures; with `never` the live ones alone that had no hit.

        Raises InputError for an `after` that is no cursor of this list.
        """
        query, key = _entries(period, sort, never)
        if after is not None:
            place, here = key_of(after, type_of(sort), str), tuple_(key, EntryRow.id)
            query = query.where(here < place if sort.startswith("-") else here > place)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        following = cursor(type_of(sort)(last.sorted_by), last.id) if last else None
        return EntryPage([_figures(row) for row in rows[:limit]], following)

    def best_entries(self, period: Period, limit: int) -> list[EntryFigures]:
        """The entries with the most hits, of those that had any; without reading the others."""
        shown, said = _shown(period), _said(period)
        best = (
            select(shown).where(shown.c.hits > 0).order_by(shown.c.hits.desc(), shown.c.faq_id).limit(limit).subquery()
        )
        feedback = (func.coalesce(said.c[name], 0).label(name) for name in ("helpful", "unhelpful"))
        query = select(EntryRow.id, EntryRow.question, EntryRow.state, best, *feedback)
        query = query.join(best, best.c.faq_id == EntryRow.id).outerjoin(said, said.c.faq_id == EntryRow.id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(best.c.hits.desc(), EntryRow.id)).all()
        return [_figures(row) for row in rows]

    def every_entry(self, period: Period, sort: EntrySort = "-hits", never: bool = False) -> Iterator[EntryFigures]:
        """The same for all entries, streamed."""
        with self._database.read() as connection:
            query, _ = _entries(period, sort, never)
            for row in connection.execution_options(yield_per=1_000).execute(query):
                yield _figures(row)

    def hours(self, period: Period) -> list[HourFigures]:
        """The hours of the period in which something was asked, in order."""
        hour, counted = OutcomeHourRow.hour, OutcomeHourRow.questions
        first, end = period.hours
        took = func.sum(OutcomeHourRow.took_ms) / func.sum(counted)
        query = select(hour, *_by_outcome(OutcomeHourRow.outcome, counted), took)
        query = query.where(hour >= first, hour < end).group_by(hour).order_by(hour)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [HourFigures(row[0] * float(HOUR_S), int(row[1]), int(row[2]), int(row[3]), row[4]) for row in rows]

    def confidences(self, period: Period) -> dict[int, int]:
        """How many questions had a best entry with a confidence of each tenth, 0 to 9; -1: without any entry."""
        tenth, (first, end) = OutcomeHourRow.tenth, period.hours
        query = select(tenth, func.sum(OutcomeHourRow.questions)).group_by(tenth)
        with self._database.read() as connection:
            rows = connection.execute(query.where(OutcomeHourRow.hour >= first, OutcomeHourRow.hour < end)).all()
        return {row[0]: int(row[1]) for row in rows}

    def helpful(self, period: Period) -> HelpfulShare:
        """The feedback that was given in the period."""
        helpful, given = func.sum(case((FeedbackRow.helpful, 1), else_=0)), FeedbackRow.given_at
        query = select(helpful, func.count()).where(given >= period.start, given < period.end)
        with self._database.read() as connection:
            row = connection.execute(query).one()
        return HelpfulShare(int(row[0] or 0), int(row[1]))

    def top_questions(self, period: Period, limit: int = 50) -> list[TopQuestion]:
        """The questions that were asked most, with the text of the last day that has it.

        Questions that differ only in case and outer punctuation count as one.
        """
        key, day = QuestionDayRow.key, QuestionDayRow.day
        sums = [func.sum(getattr(QuestionDayRow, name)) for name in popular.OUTCOMES]
        asked = sums[0] + sums[1] + sums[2]
        top = select(key, func.max(day), asked, *sums, func.max(QuestionDayRow.last_asked)).group_by(key)
        top = top.where(*_in_days(day, period)).order_by(asked.desc(), key).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(top).all()
            last_days = [(row[1], row[0]) for row in rows]
            texts = select(key, QuestionDayRow.question).where(tuple_(day, key).in_(last_days))
            question = {row[0]: row[1] for row in connection.execute(texts)}
        return [
            TopQuestion(question[row[0]], int(row[2]), int(row[3]), int(row[4]), int(row[5]), row[6]) for row in rows
        ]


def type_of(sort: EntrySort) -> type[int] | type[float]:
    """The type of the value that a list is sorted by."""
    return float if sort.endswith("last_asked") else int


def _entries(period: Period, sort: EntrySort, never: bool) -> tuple[Select[*tuple[Any, ...]], ColumnElement[Any]]:
    """The query for entries in order, and what it sorts by."""
    shown, said = _shown(period), _said(period)
    columns = {name: func.coalesce(shown.c[name], 0) for name in ("hits", "options", "confidence", "last_asked")}
    columns |= {name: func.coalesce(said.c[name], 0) for name in ("helpful", "unhelpful")}
    key = columns[sort.removeprefix("-")]
    query = select(
        EntryRow.id,
        EntryRow.question,
        EntryRow.state,
        *(column.label(name) for name, column in columns.items()),
        key.label("sorted_by"),
    )
    query = query.outerjoin(shown, shown.c.faq_id == EntryRow.id).outerjoin(said, said.c.faq_id == EntryRow.id)
    if never:
        query = query.where(columns["hits"] == 0, EntryRow.state == "live")
    order = (key.desc(), EntryRow.id.desc()) if sort.startswith("-") else (key, EntryRow.id)
    return query.order_by(*order), key


def _shown(period: Period) -> Subquery:
    """The counts of each entry in the period."""
    sums = {name: func.sum(getattr(EntryDayRow, name)).label(name) for name in ("hits", "options", "confidence")}
    query = select(EntryDayRow.faq_id, *sums.values(), func.max(EntryDayRow.last_asked).label("last_asked"))
    return query.where(*_in_days(EntryDayRow.day, period)).group_by(EntryDayRow.faq_id).subquery()


def _said(period: Period) -> Subquery:
    """The feedback on each entry in the period."""
    first, end = (day * float(DAY_S) for day in period.days)
    helpful = func.sum(case((FeedbackRow.helpful, 1), else_=0))
    query = select(FeedbackRow.faq_id, helpful.label("helpful"), (func.count() - helpful).label("unhelpful"))
    given = FeedbackRow.given_at
    return query.where(given >= first, given < end).group_by(FeedbackRow.faq_id).subquery()


def _in_days(day: Any, period: Period) -> list[ColumnElement[bool]]:  # noqa: ANN401 - an attribute of a table
    first, end = period.days
    return [day >= first, day < end]


def _by_outcome(outcome: Any, counted: Any) -> list[ColumnElement[Any]]:  # noqa: ANN401 - attributes of a table
    return [func.sum(case((outcome == name, counted), else_=0)) for name in ("answered", "ambiguous", "no_answer")]


def _figures(row: Row[Any]) -> EntryFigures:
    hits = int(row.hits)
    mean = row.confidence / hits if hits else None
    return EntryFigures(
        row.id,
        row.question,
        row.state,
        hits,
        int(row.options),
        mean,
        row.last_asked or None,
        int(row.helpful),
        int(row.unhelpful),
    )
