"""Jobs while the database is locked or away: the work goes on, and begins and ends when the database is back."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, text

from app.errors import StoreError
from app.jobs.jobs import Canceled, Jobs
from app.knowledge.database import Database
from app.knowledge.patience import PATIENCE_S
from app.releases.worker import Worker
from app.settings import Settings
from tests.jobs.working import work_on
from tests.waiting import wait_until


@contextmanager
def blocked(database: Database) -> Iterator[None]:
    """Another process holds what a job's progress needs; who waits for it gives up after 0.1 s, then and later.

    The listener stays: removing it while another thread connects breaks that thread's iteration over the listeners.
    """
    sqlite = database.engine.dialect.name == "sqlite"

    def impatient(connection: object, *_: object) -> None:
        statement = "PRAGMA busy_timeout=100" if sqlite else "SET lock_timeout = '100ms'"
        connection.cursor().execute(statement)  # type: ignore[attr-defined]
        if not sqlite:
            connection.commit()  # type: ignore[attr-defined]

    other = Database.open(database.engine.url.render_as_string(hide_password=False))
    event.listen(database.engine, "checkout", impatient)
    try:
        with other.write(lock=None) as connection:
            if not sqlite:
                connection.execute(text("LOCK TABLE jobs IN SHARE MODE"))
            yield
    finally:
        other.close()


def test_progress_that_cannot_be_written_is_skipped(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        with blocked(database):
            spent = 0.0
            for done in range(100):
                started = time.monotonic()
                work.report(done, 100)
                spent += time.monotonic() - started
                time.sleep(0.01)
            assert spent < 100 * 0.1 / 2  # each of them would wait for 0.1 s
            assert jobs.get(job.job_id).done == 0
        wait_until(lambda: jobs.get(job.job_id).done == 99)
        work.succeed("faq-a-b")
    assert jobs.get(job.job_id).status == "succeeded"


def test_a_job_ends_when_the_database_is_back(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        work.report(5, 5)
        with blocked(database):
            ending = threading.Thread(target=work.succeed, args=("faq-a-b",))
            ending.start()
            time.sleep(1)
            work.confirm()
            assert ending.is_alive()
        ending.join()
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).done) == ("succeeded", 5)


def test_a_cancellation_is_noticed_when_the_database_is_back(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")

    def run() -> None:
        with jobs.work(job.job_id) as work:
            with blocked(database):
                work.report(1, 9)
                time.sleep(0.5)
                work.report(2, 9)
            jobs.cancel(job.job_id)
            work_on(work)

    with pytest.raises(Canceled):
        run()


def test_a_job_does_not_wait_for_what_does_not_pass(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'knowledge.db'}")
    Jobs(database)
    database.close()
    read_only = Database.open(f"sqlite:///file:{tmp_path / 'knowledge.db'}?mode=ro&uri=true")
    started = time.monotonic()
    with pytest.raises(StoreError, match="it may only be read"):
        Jobs(read_only).begin("reindex")
    assert time.monotonic() - started < PATIENCE_S / 2
    read_only.close()


def test_a_job_begins_when_the_database_is_back(database: Database, jobs: Jobs) -> None:
    queued = jobs.queue("reindex")
    begun: list[str] = []

    def begin() -> None:
        with jobs.work(queued.job_id) as work:
            begun.append(work.job_id)

    beginning = threading.Thread(target=begin)
    with blocked(database):
        beginning.start()
        time.sleep(1)
        assert begun == []
    beginning.join()
    assert begun == [queued.job_id]


def test_a_failure_that_cannot_be_written_is_logged(
    database: Database, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    job = jobs.begin("reindex")
    with blocked(database):
        jobs.fail(job.job_id, "the reason")
    assert f"The end of the job {job.job_id} (the reason) is not written" in caplog.text


@pytest.mark.anyio
async def test_a_job_whose_worker_failed_is_marked_once_the_database_is_back(
    database: Database, jobs: Jobs, settings: Settings
) -> None:
    """Until then it keeps every other job from beginning."""
    job = jobs.begin("update")
    with blocked(database):
        marking = asyncio.create_task(Worker(settings, jobs)._fail(job.job_id, "the reason"))
        await asyncio.sleep(0.5)
        assert jobs.get(job.job_id).status == "running"
    await marking
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).error) == ("failed", "the reason")


def test_an_import_on_postgresql_holds_up_no_job(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    jobs = Jobs(database)
    with database.write() as importing:
        importing.execute(select(func.pg_backend_pid()))
        started = time.monotonic()
        job = jobs.begin("reindex")
        with jobs.work(job.job_id) as work:
            work.report(3, 3)
            work.succeed("faq-a-b")
        assert time.monotonic() - started < 30  # half of the time after which a statement gives up
    database.close()
