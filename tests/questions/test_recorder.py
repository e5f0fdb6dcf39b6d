"""The queue before the log: bounded, written in batches, emptied at the end, patient with a database that is away."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.knowledge.database import Database
from app.questions.asked import DAY_S, Asked
from app.questions.log import QuestionLog
from app.questions.recorder import Recorder
from tests.questions.made import NOON, asked, request
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


class Counts:
    """What a recorder reports."""

    def __init__(self) -> None:
        self.written = 0
        self.dropped = 0

    def logged(self, questions: int) -> None:
        self.written += questions

    def not_logged(self, questions: int) -> None:
        self.dropped += questions


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A SQLite database that waits only a moment for a lock."""
    monkeypatch.setattr("app.knowledge.database._BUSY_SECONDS", 0.05)
    database = Database.open(f"sqlite:///{tmp_path / 'knowledge.db'}")
    yield database
    database.close()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """While the block runs, another transaction holds the database's lock."""
    with database.write():
        yield


def numbers(log: QuestionLog) -> list[int]:
    return sorted(int(logged.request_id, 16) for logged in log.stream())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, which a thread brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_questions_are_written_in_the_background_and_at_the_end(log: QuestionLog) -> None:
    counts = Counts()
    recorder = Recorder(log.write, log.forget, counts, flush_s=0.05)
    recorder.start()
    recorder.record(asked(1))
    await until(lambda: counts.written == 1)
    recorder.record(asked(2))
    await recorder.close()
    assert numbers(log) == [1, 2]
    assert (counts.written, counts.dropped) == (2, 0)


async def test_questions_that_arrive_during_a_write_wait_for_the_next_one(log: QuestionLog) -> None:
    counts, loop = Counts(), asyncio.get_running_loop()

    def write(batch: Sequence[Asked]) -> None:
        loop.call_soon_threadsafe(recorder.record, asked(2))
        log.write(batch)

    recorder = Recorder(write, log.forget, counts)
    recorder.record(asked(1))
    await recorder.flush()
    assert numbers(log) == [1]
    await recorder.flush()
    assert numbers(log) == [1, 2]


async def test_a_full_batch_does_not_wait_and_what_exceeds_the_queue_is_dropped_and_counted(log: QuestionLog) -> None:
    counts = Counts()
    recorder = Recorder(log.write, log.forget, counts, capacity=3, flush_s=3600)
    recorder.start()
    for number in range(5):
        recorder.record(asked(number))
    await until(lambda: counts.written == 3)
    recorder.record(asked(9))
    await recorder.close()
    assert numbers(log) == [0, 1, 2, 9]
    assert (counts.written, counts.dropped) == (4, 2)


async def test_questions_wait_while_the_database_is_locked(
    log: QuestionLog, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    counts = Counts()
    recorder = Recorder(log.write, log.forget, counts, flush_s=0.05)
    with locked(database):
        recorder.start()
        recorder.record(asked(1))
        await until(lambda: "Questions cannot be logged" in caplog.text)
        recorder.record(asked(2))
        await asyncio.sleep(0.3)
    await until(lambda: counts.written == 2)
    await recorder.close()
    assert numbers(log) == [1, 2]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) <= 2
    assert asked(1).question not in caplog.text


async def test_what_the_database_does_not_take_at_the_end_is_counted(
    log: QuestionLog, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    counts = Counts()
    recorder = Recorder(log.write, log.forget, counts)
    recorder.start()
    recorder.record(asked(1))
    with locked(database):
        await recorder.close()
    assert (numbers(log), counts.dropped) == ([], 1)
    assert "1 questions are not in the log" in caplog.text


async def test_old_questions_are_deleted_when_the_service_starts(log: QuestionLog) -> None:
    log.write([asked(1, at=NOON - 10_000 * DAY_S)])
    recorder = Recorder(log.write, log.forget, Counts())
    recorder.start()
    await until(lambda: not numbers(log))
    await recorder.close()
    assert request(1) not in [logged.request_id for logged in log.stream()]
