"""How often each question was asked on each day: the questions asked most are found without reading the log.

Written with the log, and shortened with it: by an erasure, and when the log's days are over.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, update

from app.questions.asked import DAY_S
from app.questions.rollups import inserting
from app.questions.tables import QuestionDayRow, QuestionRow
from app.ranking.decision import Status

OUTCOMES: tuple[Status, ...] = ("answered", "ambiguous", "no_answer")


def question_key(normalized: str) -> int:
    """A hash of a normalized question, 63 bits."""
    return int.from_bytes(hashlib.blake2b(normalized.encode(), digest_size=8).digest()) >> 1


def add(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Count questions, which are rows of the log."""
    counts = sorted(_counts(rows).values(), key=lambda row: (row["day"], row["key"]))
    insert = inserting(connection, QuestionDayRow)
    added: dict[str, Any] = {name: getattr(QuestionDayRow, name) + insert.excluded[name] for name in OUTCOMES}
    added["last_asked"] = insert.excluded.last_asked
    connection.execute(insert.on_conflict_do_update(index_elements=["day", "key"], set_=added), counts)


def subtract(connection: Connection, session: str) -> None:
    """Count the questions of a session no longer. Call it before they are deleted."""
    columns = (QuestionRow.asked_at, QuestionRow.question, QuestionRow.normalized, QuestionRow.outcome)
    logged = connection.execute(select(*columns).where(QuestionRow.session == session)).mappings()
    left = QuestionDayRow.answered + QuestionDayRow.ambiguous + QuestionDayRow.no_answer
    for counted in _counts(map(dict, logged)).values():
        which = QuestionDayRow.day == counted["day"], QuestionDayRow.key == counted["key"]
        fewer = {name: getattr(QuestionDayRow, name) - counted[name] for name in OUTCOMES}
        connection.execute(update(QuestionDayRow).where(*which).values(fewer))
        connection.execute(delete(QuestionDayRow).where(*which, left <= 0))


def forget(connection: Connection, before: float) -> None:
    """Delete the counts of days that ended before a time."""
    connection.execute(delete(QuestionDayRow).where(QuestionDayRow.day < before // DAY_S))


def _counts(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    """A row of the table for each question of each day."""
    counts: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        day, normalized = int(row["asked_at"] // DAY_S), row["normalized"]
        if (counted := counts.get((day, normalized))) is None:
            zeros = {"answered": 0, "ambiguous": 0, "no_answer": 0}
            counted = {"day": day, "key": question_key(normalized), "question": row["question"], **zeros}
            counts[day, normalized] = counted
        counted[row["outcome"]] += 1
        counted["last_asked"] = row["asked_at"]
    return counts
