"""Leases: a job whose worker is dead is seen as dead, by the clock of the database."""

import time

import pytest
from sqlalchemy import select, text, update

from app.errors import Busy
from app.jobs.heartbeat import HEARTBEAT_S
from app.jobs.jobs import INTERRUPTED, Jobs
from app.jobs.table import LEASE_S, JobRow, new_lease
from app.knowledge.database import Database
from tests.waiting import wait_until


def lease(database: Database, job_id: str) -> float:
    """Seconds that the job's lease holds for."""
    with database.read() as connection:
        return connection.scalars(select(LEASE_S - (new_lease() - JobRow.lease_until)).where(JobRow.id == job_id)).one()


def move_lease(database: Database, job_id: str, seconds: float) -> None:
    with database.write(lock=None) as connection:
        ends = JobRow.lease_until + seconds
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(lease_until=ends))


def test_a_lease_begins_whole(database: Database, jobs: Jobs) -> None:
    for start in (jobs.queue, jobs.begin):
        job = start("reindex")
        assert LEASE_S / 2 < lease(database, job.job_id) <= LEASE_S
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
    assert ends == pytest.approx(time.time() + 3600 + LEASE_S, abs=60)
    assert jobs.get(job.job_id).status == "running"
    database.close()


def test_work_renews_the_lease_without_progress(database: Database, jobs: Jobs) -> None:
    job = jobs.begin("reindex")
    with jobs.work(job.job_id):
        move_lease(database, job.job_id, 10 - LEASE_S)
        wait_until(lambda: lease(database, job.job_id) > LEASE_S / 2)


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
    assert time.monotonic() - started < 2 * HEARTBEAT_S  # which `queue` gives to a living worker
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
