"""Jobs: one at a time, a lease by the database's clock, and progress that never stops the work."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, text, update

from app.errors import Busy, Conflict, NotFound, StoreError
from app.jobs.heartbeat import HEARTBEAT_S
from app.jobs.jobs import INTERRUPTED, Canceled, Jobs, Work
from app.jobs.table import LEASE_S, JobRow, new_lease
from app.knowledge.database import Database


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def work_on(work: Work) -> None:
    """Report until the job is stopped."""
    for done in range(500):
        work.report(done, 1000)
        time.sleep(0.02)


def lease(database: Database, job_id: str) -> float:
    """Seconds that the job's lease holds for."""
    with database.read() as connection:
        return connection.scalars(select(LEASE_S - (new_lease() - JobRow.lease_until)).where(JobRow.id == job_id)).one()


def move_lease(database: Database, job_id: str, seconds: float) -> None:
    with database.write(lock=None) as connection:
        ends = JobRow.lease_until + seconds
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(lease_until=ends))


@contextmanager
def blocked(database: Database) -> Iterator[None]:
    """Another process holds what a job's progress needs; who waits for it gives up after 0.1 s."""
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
        event.remove(database.engine, "checkout", impatient)
        other.close()


def test_a_job_runs_and_succeeds(jobs: Jobs) -> None:
    queued = jobs.queue("reindex")
    assert (queued.status, queued.kind, queued.done, queued.total) == ("queued", "reindex", 0, 0)
    with jobs.work(queued.job_id) as work:
        assert jobs.get(queued.job_id).status == "running"
        work.report(2, 4)
        wait_until(lambda: jobs.get(queued.job_id).done == 2)
        work.report(4, 4)
        work.confirm()
        work.succeed("faq-a-b")
    ended = jobs.get(queued.job_id)
    assert (ended.status, ended.done, ended.total, ended.release, ended.error) == ("succeeded", 4, 4, "faq-a-b", None)
    assert jobs.recent() == [ended]


def test_one_job_at_a_time(jobs: Jobs) -> None:
    first = jobs.queue("reindex")
    for start in (jobs.queue, jobs.begin):
        with pytest.raises(Busy, match=rf"The job {first.job_id} \(reindex\) is queued") as refused:
            start("reindex")
        assert refused.value.job_id == first.job_id
    jobs.cancel(first.job_id)
    assert jobs.queue("reindex").status == "queued"


def test_several_that_begin_at_once_are_one_job(jobs: Jobs) -> None:
    outcomes: list[str] = []

    def begin() -> None:
        try:
            outcomes.append(jobs.queue("reindex").status)
        except Busy:
            outcomes.append("busy")

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 7 + ["queued"]


def test_a_job_that_fails_says_why(jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with pytest.raises(OSError, match="no space"), jobs.work(job.job_id):
        raise OSError("no space")
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).error) == ("failed", "no space")


def test_a_canceled_job_stops(jobs: Jobs) -> None:
    job = jobs.begin("reindex")

    def run() -> None:
        with jobs.work(job.job_id) as work:
            jobs.cancel(job.job_id)
            with pytest.raises(Canceled):
                work.confirm()
            work_on(work)

    with pytest.raises(Canceled, match=job.job_id):
        run()
    assert jobs.get(job.job_id).status == "canceled"
    with pytest.raises(Conflict, match="has been canceled"):
        jobs.cancel(job.job_id)
    with pytest.raises(Canceled), jobs.work(job.job_id):
        pytest.fail("a canceled job does not begin")


def test_a_job_canceled_too_late_has_succeeded(jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        jobs.cancel(job.job_id)
        work.succeed("faq-a-b")
    assert jobs.get(job.job_id).status == "succeeded"


def test_an_unknown_job(jobs: Jobs) -> None:
    for use in (jobs.get, jobs.cancel):
        with pytest.raises(NotFound, match="There is no job nobody"):
            use("nobody")


def test_a_lease_begins_whole(database: Database, jobs: Jobs) -> None:
    for start in (jobs.queue, jobs.begin):
        job = start("reindex")
        assert LEASE_S - 5 < lease(database, job.job_id) <= LEASE_S
        jobs.cancel(job.job_id)


def test_the_lease_is_by_the_clock_of_the_database(postgres_url: str) -> None:
    """Which is an hour ahead of ours: its function of that name hides the server's own."""
    database = Database.open(postgres_url)
    with database.write() as connection:
        ahead = "SELECT pg_catalog.clock_timestamp() + interval '1 hour'"
        connection.execute(
            text(f"CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $${ahead}$$")
        )
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET search_path = public, pg_catalog"))
    database.close()
    jobs = Jobs(database)
    job = jobs.begin("reindex")
    with database.read() as connection:
        ends = connection.scalars(select(JobRow.lease_until)).one()
    assert ends == pytest.approx(time.time() + 3600 + LEASE_S, abs=10)
    assert jobs.get(job.job_id).status == "running"
    database.close()


def test_work_renews_the_lease_without_progress(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id):
        move_lease(database, job.job_id, 10 - LEASE_S)
        assert lease(database, job.job_id) < 11
        wait_until(lambda: lease(database, job.job_id) > LEASE_S - 5, 4 * HEARTBEAT_S)


@pytest.mark.parametrize("by", [-2 * LEASE_S, 3600])
def test_a_dead_job_is_seen_by_whoever_looks(database: Database, jobs: Jobs, by: float) -> None:
    """Its lease has run out; or it ends far in the future, as the clock was set back since."""
    for start in (jobs.queue, jobs.begin):
        job = start("reindex")
        move_lease(database, job.job_id, by)
        assert (jobs.get(job.job_id).status, jobs.get(job.job_id).error) == ("failed", INTERRUPTED)
        assert jobs.recent()[0].status == "failed"


def test_a_dead_job_blocks_nobody(database: Database, jobs: Jobs) -> None:
    for start in (jobs.queue, jobs.begin):
        dead = start("reindex")
        move_lease(database, dead.job_id, -2 * LEASE_S)
        following = jobs.queue("reindex")
        with database.read() as connection:
            stored = connection.scalars(select(JobRow.status).where(JobRow.id == dead.job_id)).one()
        assert stored == "failed"
        jobs.cancel(following.job_id)


def test_who_holds_the_lock_takes_over_from_a_running_job_at_once(jobs: Jobs) -> None:
    dead = jobs.begin("reindex")
    started = time.monotonic()
    assert jobs.begin("reindex").status == "running"
    assert time.monotonic() - started < HEARTBEAT_S
    assert jobs.get(dead.job_id).status == "failed"


def test_a_job_of_a_version_without_leases_is_dead(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with database.write(lock=None) as connection:
        connection.execute(update(JobRow).values(lease_until=None))
    assert jobs.get(job.job_id).status == "failed"
    assert jobs.queue("reindex").status == "queued"


def test_a_living_job_whose_lease_ran_out_is_not_taken_for_dead(database: Database, jobs: Jobs) -> None:
    """Its worker renews the lease while the other waits: the clock jumped, or the database was away."""
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        move_lease(database, job.job_id, -2 * LEASE_S)
        with pytest.raises(Busy, match=job.job_id):
            jobs.queue("reindex")
        work.report(1, 1)
        assert jobs.get(job.job_id).status == "running"


def test_progress_that_cannot_be_written_is_skipped(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id) as work:
        with blocked(database):
            slowest = 0.0
            for done in range(100):
                started = time.monotonic()
                work.report(done, 100)
                slowest = max(slowest, time.monotonic() - started)
                time.sleep(0.01)
            assert slowest < 0.1
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
    assert time.monotonic() - started < 5
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
        assert time.monotonic() - started < 5
    database.close()
