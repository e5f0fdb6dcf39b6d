"""Counts of outcomes an hour and of entries a day. They hold no texts, and a batch of questions adds to them at once.

Hours and days are those of UTC. Entries are counted by the day: 10,000 entries make 300,000 rows a month, and by the
hour would make up to 24 times as many.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from app.questions.asked import DAY_S, HOUR_S, Asked
from app.questions.tables import EntryDayRow, OutcomeHourRow
from app.replies import Reply

KEPT_DAYS = 400  # a year and a month: a month can be compared with the same one of the year before


def inserting(connection: Connection, table: type[DeclarativeBase]) -> sqlite.Insert | postgresql.Insert:
    """An insert into the table that can say what to do with a row that exists, for this database."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def add(connection: Connection, batch: Sequence[Asked]) -> None:
    """Add a batch of questions to the counts.

    Rows are written in the order of their keys, so that two replicas never wait for each other in a circle.
    """
    given = _distinct(batch)
    _add_outcomes(connection, _outcomes(given))
    _add_entries(connection, _entries(given))


def forget(connection: Connection, now: float) -> None:
    """Delete counts that are older than KEPT_DAYS."""
    before = now - KEPT_DAYS * DAY_S
    connection.execute(delete(OutcomeHourRow).where(OutcomeHourRow.hour < before // HOUR_S))
    connection.execute(delete(EntryDayRow).where(EntryDayRow.day < before // DAY_S))


class _Given:
    """How often one reply was given within an hour, and when last. Replies from the cache are one object."""

    __slots__ = ("count", "hour", "last_asked", "reply", "took_ms")

    def __init__(self, hour: int, reply: Reply) -> None:
        self.hour, self.reply = hour, reply
        self.count, self.took_ms, self.last_asked = 0, 0.0, 0.0


def _distinct(batch: Iterable[Asked]) -> list[_Given]:
    given: dict[tuple[int, int], _Given] = {}
    for asked in batch:
        key = int(asked.asked_at) // HOUR_S, id(asked.reply)
        if (reply := given.get(key)) is None:
            reply = given[key] = _Given(key[0], asked.reply)
        reply.count += 1
        reply.took_ms += asked.took_ms
        reply.last_asked = asked.asked_at
    return list(given.values())


def _outcomes(given: Iterable[_Given]) -> list[dict[str, Any]]:
    sums: dict[tuple[int, str, int], list[float]] = {}
    for reply in given:
        shown = reply.reply.answers or reply.reply.suggestions
        tenth = min(9, int(shown[0].confidence * 10)) if shown else -1
        row = sums.setdefault((reply.hour, reply.reply.status, tenth), [0, 0.0])
        row[0] += reply.count
        row[1] += reply.took_ms
    return [
        {"hour": hour, "outcome": outcome, "tenth": tenth, "questions": count, "took_ms": took}
        for (hour, outcome, tenth), (count, took) in sorted(sums.items())
    ]


def _entries(given: Iterable[_Given]) -> list[dict[str, Any]]:
    sums: dict[tuple[int, str], dict[str, Any]] = {}
    for reply in given:
        day, shown = reply.hour // 24, reply.reply.answers or reply.reply.suggestions
        if reply.reply.status == "answered":
            best = _row_of(sums, day, shown[0].id)
            best["hits"] += reply.count
            best["confidence"] += reply.count * shown[0].confidence
            best["last_asked"] = max(reply.last_asked, best["last_asked"] or 0.0)
            shown = shown[1:]
        for answer in shown:
            _row_of(sums, day, answer.id)["options"] += reply.count
    return [row for _, row in sorted(sums.items())]


def _row_of(sums: dict[tuple[int, str], dict[str, Any]], day: int, faq_id: str) -> dict[str, Any]:
    """The counts of an entry on a day, zeros at first."""
    key = day, faq_id
    if (row := sums.get(key)) is None:
        zeros = {"hits": 0, "options": 0, "confidence": 0.0, "last_asked": None}
        row = sums[key] = {"day": day, "faq_id": faq_id, **zeros}
    return row


def _add_outcomes(connection: Connection, rows: list[dict[str, Any]]) -> None:
    insert = inserting(connection, OutcomeHourRow)
    added = {
        "questions": OutcomeHourRow.questions + insert.excluded.questions,
        "took_ms": OutcomeHourRow.took_ms + insert.excluded.took_ms,
    }
    connection.execute(insert.on_conflict_do_update(index_elements=["hour", "outcome", "tenth"], set_=added), rows)


def _add_entries(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    insert = inserting(connection, EntryDayRow)
    before, new = EntryDayRow, insert.excluded
    added = {
        "hits": before.hits + new.hits,
        "options": before.options + new.options,
        "confidence": before.confidence + new.confidence,
        "last_asked": _later(new.last_asked, before.last_asked),
    }
    connection.execute(insert.on_conflict_do_update(index_elements=["day", "faq_id"], set_=added), rows)


def _later(new: ColumnElement[float | None], before: Any) -> ColumnElement[float | None]:  # noqa: ANN401 - an attribute
    """The later of two times, of which either may be null."""
    return case((new > func.coalesce(before, 0.0), new), else_=before)
