"""The writer's lock: one holder, on either database, whatever becomes of its session or its process."""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy import text

from app.errors import Busy
from app.jobs import lock
from app.jobs.jobs import Jobs
from app.knowledge.database import Database
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
ENDING_MS = 30_000


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = Database.open(postgres_url)
    yield database
    database.close()


def is_taken(home: Path, database: Database) -> bool:
    try:
        with lock.writer(home, database):
            return False
    except Busy:
        return True


def end_sessions_with_the_lock(database: Database) -> None:
    """End them, and wait until they have ended, which releases the lock."""
    others = "FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    ended = f"SELECT pg_terminate_backend(pid, {ENDING_MS}) {others}"
    with database.read() as connection:
        assert connection.execute(text(ended)).all() == [(True,)]


def test_one_writer_at_a_time(tmp_path: Path, database: Database) -> None:
    for _ in range(2):
        with lock.writer(tmp_path, database) as check:
            check()
            with pytest.raises(Busy, match="Another process is building or switching a release"):
                lock.writer(tmp_path, database).__enter__()
            check()
        assert not is_taken(tmp_path, database)


def test_the_lock_is_released_after_an_error(tmp_path: Path, database: Database) -> None:
    with pytest.raises(OSError, match="of the work"), lock.writer(tmp_path, database):
        raise OSError("of the work")
    assert not is_taken(tmp_path, database)


HOLDER = """
import sys, time
from pathlib import Path
from app.jobs import lock
from app.knowledge.database import Database
from tests.waiting import PATIENCE_S
with lock.writer(Path(sys.argv[1]), Database.open(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, url: str, database: Database) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_taken(tmp_path, database)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    wait_until(lambda: not is_taken(tmp_path, database))


def look(url: str, ready: Event, stop: Event) -> None:
    """Ask for jobs and queue them without a pause, as replicas that are asked to reindex would."""
    database = Database.open(url)
    jobs = Jobs(database)
    while not stop.is_set():
        jobs.cancel(jobs.queue("reindex").job_id)
        jobs.recent()
        ready.set()
    database.close()


def test_looking_for_a_job_refuses_no_writer(tmp_path: Path, url: str, database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=look, args=(url, ready, stop))
    process.start()
    assert ready.wait(PATIENCE_S)
    refused = sum(is_taken(tmp_path, database) for _ in range(300))
    stop.set()
    process.join(PATIENCE_S)
    assert (refused, process.exitcode) == (0, 0)


@pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "idle_session_timeout"])
def test_postgresql_ends_no_idle_session_that_holds_the_lock(tmp_path: Path, postgres: Database, setting: str) -> None:
    with postgres.write() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET {setting} = '200ms'"))
    postgres.close()
    with lock.writer(tmp_path, postgres) as check:
        time.sleep(0.6)
        assert is_taken(tmp_path, postgres)
        check()
    assert not is_taken(tmp_path, postgres)


def test_a_lock_that_was_lost_with_its_session_is_taken_again(tmp_path: Path, postgres: Database) -> None:
    with lock.writer(tmp_path, postgres) as check:
        end_sessions_with_the_lock(postgres)
        check()
        assert is_taken(tmp_path, postgres)
    assert not is_taken(tmp_path, postgres)


def test_a_lock_that_was_lost_to_another_is_noticed_before_the_switch(tmp_path: Path, postgres: Database) -> None:
    with lock.writer(tmp_path, postgres) as check:
        end_sessions_with_the_lock(postgres)
        with lock.writer(tmp_path, postgres), pytest.raises(Busy):
            check()


def test_a_session_that_ended_does_not_fail_what_is_done(tmp_path: Path, postgres: Database) -> None:
    with lock.writer(tmp_path, postgres):
        end_sessions_with_the_lock(postgres)
    assert not is_taken(tmp_path, postgres)
