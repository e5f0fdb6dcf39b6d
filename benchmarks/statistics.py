"""How long the statistics and the log take to read after 30 days of 100,000 questions a day, and to write.

    python -m benchmarks.statistics [--days 30] [--questions 100000] [--entries 10000] [--database URL]

Questions are drawn by Zipf's law from 200,000 different ones, entries from as many as the FAQ has; each reply shows
three. Without --database it fills a SQLite file in a temporary directory. Writes benchmarks/results/statistics.json, a
part for each kind of database.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sqlalchemy import func, select

from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.questions.asked import DAY_S, HOUR_S, Asked
from app.questions.figures import Period
from app.questions.log import QuestionLog
from app.questions.selection import Selection
from app.questions.statistics import Statistics
from app.questions.tables import EntryDayRow, OutcomeHourRow, QuestionDayRow, QuestionRow
from app.ranking.decision import Status
from app.replies import Answer, Reply
from benchmarks.places import RESULTS

START = 1_790_000_000 // DAY_S * DAY_S
DIFFERENT = 200_000
OUTCOMES: tuple[Status, ...] = ("answered", "answered", "answered", "ambiguous", "no_answer")


def main() -> None:
    """Fill, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--questions", type=int, default=100_000, help="a day")
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--database", help="SQLAlchemy URL of an empty database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(options.database or f"sqlite:///{folder}/knowledge.db")
        report = fill(database, options)
        report["read"] = measured(database, options)
        report["load_average"] = round(os.getloadavg()[0], 1)
        if options.database is None:
            report["file_mb"] = round((Path(folder) / "knowledge.db").stat().st_size / 1e6)
        kind = database.engine.dialect.name
        database.close()
    file = RESULTS / "statistics.json"
    every = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**every, kind: report}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({kind: report}, indent=2))


def fill(database: Database, options: argparse.Namespace) -> dict[str, Any]:
    """Write the log of all days, an hour at a time; what that took, and how many rows it made."""
    entries = [Entry(id=f"e{number}", question=f"Question {number}?", answer="a") for number in range(options.entries)]
    Store(database).import_entries(entries, "replace")
    log = QuestionLog(database, "redacted")
    started, cpu = time.perf_counter(), time.process_time()
    for batch in batches(options):
        log.write(batch)
    total = options.days * options.questions
    report = {
        "questions": total,
        "write_us_a_question": round((time.perf_counter() - started) * 1e6 / total, 1),
        "write_cpu_us_a_question": round((time.process_time() - cpu) * 1e6 / total, 1),
    }
    with database.read() as connection:
        for table in (QuestionRow, OutcomeHourRow, EntryDayRow, QuestionDayRow):
            report[f"rows of {table.__tablename__}"] = connection.scalar(select(func.count()).select_from(table))
    if database.engine.dialect.name == "postgresql":
        database.session().exec_driver_sql("ANALYZE")
    return report


def batches(options: argparse.Namespace) -> Iterable[list[Asked]]:
    """The questions of each hour. What it takes to make them is a few microseconds a question of the writing time."""
    random, hours, number = np.random.default_rng(0), options.days * 24, 0
    answers = [Answer(f"e{i}", f"Question {i}?", None, "a", {}, 0.5, 0.9, []) for i in range(options.entries)]
    for hour in range(hours):
        count = options.questions * (hour + 1) // 24 - options.questions * hour // 24
        texts, shown = zipf(random, DIFFERENT, count), zipf(random, options.entries, count)
        batch: list[Asked] = []
        for text, entry in zip(texts, shown, strict=True):
            three = tuple(answers[(entry + step * 7919) % options.entries] for step in range(3))
            status = OUTCOMES[text % len(OUTCOMES)]
            reply = Reply(status, (), three) if status == "no_answer" else Reply(status, three, ())
            at = START + hour * HOUR_S + len(batch) * HOUR_S / count
            question = f"How do I get the thing number {text} to work with the other one?"
            batch.append(Asked(at, f"{number:032x}", question, reply, "faq-aaaaaaaaaaaa-bbbbbbbbbbbb", 4.0, None, None))
            number += 1
        yield batch


def zipf(random: np.random.Generator, different: int, count: int) -> list[int]:
    """Numbers below `different`, drawn by Zipf's law with exponent 1 (by its inverse, approximately)."""
    drawn: list[int] = (np.exp(random.random(count) * np.log(different)).astype(np.int64) - 1).tolist()
    return drawn


def measured(database: Database, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Milliseconds of each query, elapsed and of this process's CPU time: the median of three."""
    statistics, log = Statistics(database), QuestionLog(database, "redacted")
    end = START + options.days * DAY_S
    month, week, day = (Period(end - days * DAY_S, end) for days in (30, 7, 1))
    queries: dict[str, Callable[[], object]] = {
        "entries, 30 days, first page": lambda: statistics.entries(month),
        "entries never asked, 30 days": lambda: statistics.entries(month, never=True),
        "all entries, 30 days": lambda: list(statistics.every_entry(month)),
        "outcomes by hour, 30 days": lambda: statistics.hours(month),
        "top questions, 1 day": lambda: statistics.top_questions(day),
        "top questions, 7 days": lambda: statistics.top_questions(week),
        "top questions, 30 days": lambda: statistics.top_questions(month),
        "log, first page": lambda: log.page(50),
        "log, no_answer, first page": lambda: log.page(50, selection=Selection(outcomes=["no_answer"])),
        "log, search for a rare text": lambda: log.page(50, selection=Selection(search="number 199999 to")),
    }
    return {name: milliseconds(query) for name, query in queries.items()}


def milliseconds(query: Callable[[], object]) -> dict[str, float]:
    """The median elapsed and CPU time of three runs."""
    elapsed, cpu = [], []
    for _ in range(3):
        start, cpu_start = time.perf_counter(), time.process_time()
        query()
        elapsed.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - cpu_start) * 1000)
    return {"elapsed": round(median(elapsed), 1), "cpu": round(median(cpu), 1)}


if __name__ == "__main__":
    main()
