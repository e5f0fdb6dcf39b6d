"""Long work with a name: reindexing, from the endpoint, the command line or the trainer alike.

A job is a row in the database, so that every replica sees it. Whoever runs it holds a lease on the row and renews it;
a job whose lease has run out is dead, and is shown and treated as failed. A worker that finds its row no longer running
stops.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, case, insert, select, update

from app.errors import Busy, Conflict, FaqError, NotFound, StoreError
from app.jobs.heartbeat import HEARTBEAT_S, Heartbeat
from app.jobs.table import JobRow, lease_holds, new_lease
from app.knowledge.database import Database
from app.knowledge.patience import patiently
from app.knowledge.tables import utc_now

Status = Literal["queued", "running", "succeeded", "failed", "canceled"]

LIVE = ("queued", "running")
INTERRUPTED = "Interrupted: the process that ran it is gone. The release before it goes on serving."
_JOBS_LOCK = 0x666173  # PostgreSQL's advisory lock under which jobs begin

logger = logging.getLogger(__name__)


class Canceled(FaqError):
    """The job was canceled, or another worker marked it as dead."""

    code = "canceled"


@dataclass(frozen=True)
class Job:
    """The present state of one job. `done` of `total` entries; `release` once it succeeded, `error` once it failed."""

    job_id: str
    kind: str
    status: Status
    done: int
    total: int
    error: str | None
    release: str | None
    created_at: datetime
    updated_at: datetime


class Jobs:
    """The jobs of one database. Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, kind: str) -> Job:
        """A new job, for a worker that is about to start. Raises Busy naming the job that is under way.

        Takes some seconds where a running job's lease has run out: a worker that the database kept from renewing it is
        given the time to do so.
        """
        with self._database.write(_JOBS_LOCK) as connection:
            expired = _expired_leases(connection)
            if not expired:
                return _new(connection, kind, "queued")
        time.sleep(2 * HEARTBEAT_S)
        with self._database.write(_JOBS_LOCK) as connection:
            for job_id, lease in expired:
                _expire(connection, and_(JobRow.id == job_id, JobRow.lease_until.is_not_distinct_from(lease)))
            return _new(connection, kind, "queued")

    def begin(self, kind: str) -> Job:
        """A new job that runs at once. Call it only with the writer's lock held: every other job that is
        marked as running is then dead. Raises Busy naming a job that is queued."""

        def start() -> Job:
            with self._database.write(_JOBS_LOCK) as connection:
                _expire(connection, JobRow.status == "running")
                return _new(connection, kind, "running")

        return patiently(start)

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        with self._database.read() as connection:
            return _get(connection, job_id)

    def recent(self, limit: int = 50) -> list[Job]:
        """The latest jobs, newest first."""
        with self._database.read() as connection:
            return [Job(*row) for row in connection.execute(_jobs().order_by(JobRow.created_at.desc()).limit(limit))]

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop. Raises NotFound, and Conflict if it has ended."""
        if not self._move(job_id, LIVE, status="canceled"):
            job = self.get(job_id)
            raise Conflict(f"The job {job_id} has {job.status if job.status != 'canceled' else 'been canceled'}.")
        return self.get(job_id)

    def fail(self, job_id: str, error: str) -> None:
        """End a job that cannot go on; one that has ended stays as it is. If the database cannot be written, the log
        says so, and the job is dead once its lease has run out."""
        try:
            self.mark_failed(job_id, error)
        except StoreError as reason:
            logger.warning("The end of the job %s (%s) is not written: %s", job_id, error, reason)

    def mark_failed(self, job_id: str, error: str) -> None:
        """As `fail`, for a caller that tries again where the database cannot be written."""
        self._move(job_id, LIVE, status="failed", error=error)

    def interrupt(self) -> None:
        """End every job: in a copy of a database no worker runs any."""
        with self._database.write(_JOBS_LOCK) as connection:
            _expire(connection, JobRow.status.in_(LIVE))

    def is_wanted(self, job_id: str) -> bool:
        """True while the job is queued or running, whatever its lease."""
        with self._database.read() as connection:
            return connection.scalar(select(JobRow.status).where(JobRow.id == job_id)) in LIVE

    def is_under_way(self, kind: str) -> bool:
        """Whether a job of this kind is queued or running, by its lease."""
        query = select(JobRow.id).where(JobRow.kind == kind, JobRow.status.in_(LIVE), lease_holds())
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    @contextmanager
    def work(self, job_id: str) -> Iterator["Work"]:
        """Run a job and keep its lease. Raises Canceled when somebody canceled it."""
        if not patiently(lambda: self._move(job_id, LIVE, status="running", lease_until=new_lease())):
            raise _canceled(job_id)

        def beat(done: int, total: int) -> bool:
            return self._move(job_id, ("running",), done=done, total=total, lease_until=new_lease())

        with Heartbeat(beat) as heartbeat:
            try:
                yield Work(self, job_id, heartbeat)
            except BaseException as error:
                heartbeat.ended = True  # a thread that works on stops at its next report
                self.fail(job_id, _reason(error))
                raise

    def succeed(self, job_id: str, release: str, entries: int) -> None:
        """Mark a job as succeeded, also one that was canceled too late: its release is active."""
        ended = {"status": "succeeded", "release": release, "error": None, "done": entries, "total": entries}
        try:
            patiently(lambda: self._move(job_id, ("running", "canceled", "failed"), **ended))
        except StoreError as reason:
            logger.warning(
                "The release %s is active, and the end of the job %s not written: %s", release, job_id, reason
            )

    def _move(self, job_id: str, before: tuple[str, ...], **values: object) -> bool:
        statement = update(JobRow).where(JobRow.id == job_id, JobRow.status.in_(before))
        with self._database.write(lock=None) as connection:
            return connection.execute(statement.values(**values, updated_at=utc_now())).rowcount > 0


class Work:
    """A job that is running here."""

    def __init__(self, jobs: Jobs, job_id: str, heartbeat: Heartbeat) -> None:
        self.job_id = job_id
        self._jobs = jobs
        self._heartbeat = heartbeat

    def report(self, done: int, total: int) -> None:
        """Note the progress, which is written soon; never waits. Raises Canceled when somebody ended the job."""
        self._heartbeat.done, self._heartbeat.total = done, total
        if self._heartbeat.ended:
            raise _canceled(self.job_id)

    def confirm(self) -> None:
        """Look whether the job is still wanted, before it takes effect. A database that cannot be read does not stop
        it. Raises Canceled."""
        with suppress(StoreError):
            if not self._jobs.is_wanted(self.job_id):
                raise _canceled(self.job_id)

    def succeed(self, release: str) -> None:
        """Mark the job as succeeded."""
        self._jobs.succeed(self.job_id, release, self._heartbeat.total)


def _expired_leases(connection: Connection) -> list[tuple[str, float | None]]:
    expired = select(JobRow.id, JobRow.lease_until).where(JobRow.status == "running", ~lease_holds())
    return [(job_id, lease) for job_id, lease in connection.execute(expired)]


def _expire(connection: Connection, which: ColumnElement[bool]) -> None:
    """End the jobs that are dead: those named by `which`, and the queued ones that no worker began in time."""
    never_began = and_(JobRow.status == "queued", ~lease_holds())
    dead = update(JobRow).where(JobRow.status.in_(LIVE), which | never_began)
    connection.execute(dead.values(status="failed", error=INTERRUPTED, updated_at=utc_now()))


def _new(connection: Connection, kind: str, status: Status) -> Job:
    """Insert a job. Raises Busy when one is queued or running."""
    _expire(connection, JobRow.id == "")
    current = connection.execute(_jobs().where(JobRow.status.in_(LIVE))).first()
    if current is not None:
        raise Busy(f"The job {current.id} ({current.kind}) is {current.status}.", current.id)
    job_id = secrets.token_hex(8)
    values = {"id": job_id, "kind": kind, "status": status, "done": 0, "total": 0, "lease_until": new_lease()}
    connection.execute(insert(JobRow).values(values))
    return _get(connection, job_id)


def _get(connection: Connection, job_id: str) -> Job:
    row = connection.execute(_jobs().where(JobRow.id == job_id)).first()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return Job(*row)


def _jobs() -> Select[*tuple[Any, ...]]:
    """The columns of Job, of which those of a job that is dead say so."""
    dead = and_(JobRow.status.in_(LIVE), ~lease_holds())
    status = case((dead, "failed"), else_=JobRow.status).label("status")
    error = case((dead, INTERRUPTED), else_=JobRow.error).label("error")
    rest = (JobRow.release, JobRow.created_at, JobRow.updated_at)
    return select(JobRow.id, JobRow.kind, status, JobRow.done, JobRow.total, error, *rest)


def _canceled(job_id: str) -> Canceled:
    return Canceled(f"The job {job_id} was canceled.")


def _reason(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return INTERRUPTED
    return str(error) if isinstance(error, (FaqError, OSError)) else repr(error)
