"""Long work with a name: reindexing, from the endpoint, the command line or the trainer alike.

A job is a row in the database, so that every replica sees it; a worker that finds its row no longer running stops.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, insert, or_, select, update

from app.errors import Busy, Conflict, FaqError, NotFound
from app.jobs import lock
from app.jobs.table import JobRow
from app.knowledge.database import Database
from app.knowledge.tables import utc_now

Status = Literal["queued", "running", "succeeded", "failed", "canceled"]

LIVE = ("queued", "running")
STARTING = timedelta(seconds=15)  # that a queued job is given until its worker has the writer's lock
INTERRUPTED = "Interrupted: the process that ran it is gone. The release before it goes on serving."


class Canceled(FaqError):
    """Somebody canceled the job."""

    code = "canceled"


@dataclass(frozen=True)
class Job:
    """One job, as it stands. `done` of `total` entries; `release` once it succeeded, `error` once it failed."""

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
    """The jobs of one database."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home

    def queue(self, kind: str) -> Job:
        """A new job, for a worker that is about to start. Raises Busy naming the one that is under way."""
        return self._new(kind, "queued", lock.writer_is_at_work(self._home, self._database))

    def begin(self, kind: str) -> Job:
        """A new job that runs at once. Only for the one who holds the writer's lock: if it dies, others see that at
        once, where they would wait for a queued one. Raises Busy."""
        return self._new(kind, "running", at_work=False)

    def _new(self, kind: str, status: Status, at_work: bool) -> Job:
        with self._database.write() as connection:
            if not at_work:
                _bury(connection)
            running = connection.execute(_jobs().where(JobRow.status.in_(LIVE))).first()
            if running is not None:
                raise Busy(f"The job {running.id} ({running.kind}) is {running.status}.", running.id)
            job_id = secrets.token_hex(8)
            connection.execute(insert(JobRow).values(id=job_id, kind=kind, status=status, done=0, total=0))
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(_jobs().where(JobRow.id == job_id)).first()
        if row is None:
            raise NotFound(f"There is no job {job_id}.")
        return Job(*row)

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
        """End a job that cannot go on; one that has ended stays as it is."""
        self._move(job_id, LIVE, status="failed", error=error)

    @contextmanager
    def work(self, job_id: str) -> Iterator[Callable[[int, int], None]]:
        """Run a job: yields the progress callback, which raises Canceled when somebody canceled it."""
        if not self._move(job_id, LIVE, status="running"):
            raise Canceled(f"The job {job_id} was canceled.")

        def progress(done: int, total: int) -> None:
            if not self._move(job_id, ("running",), done=done, total=total):
                raise Canceled(f"The job {job_id} was canceled.")

        try:
            yield progress
        except BaseException as error:
            self.fail(job_id, _reason(error))
            raise

    def succeed(self, job_id: str, release: str) -> None:
        """End a job well; even one canceled too late, since its release is active."""
        self._move(job_id, ("running", "canceled"), status="succeeded", release=release)

    def _move(self, job_id: str, before: tuple[str, ...], **values: object) -> bool:
        statement = update(JobRow).where(JobRow.id == job_id, JobRow.status.in_(before))
        with self._database.write() as connection:
            return connection.execute(statement.values(**values, updated_at=utc_now())).rowcount > 0


def _bury(connection: Connection) -> None:
    """Nobody is at work: what is said to be running is dead, and so is what was queued and never began; or will have
    been queued, by a clock that was set back since."""
    now = utc_now()
    overdue = or_(JobRow.updated_at < now - STARTING, JobRow.updated_at > now + STARTING)
    never_began = and_(JobRow.status == "queued", overdue)
    dead = update(JobRow).where(or_(JobRow.status == "running", never_began))
    connection.execute(dead.values(status="failed", error=INTERRUPTED, updated_at=utc_now()))


def _reason(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return INTERRUPTED
    return str(error) if isinstance(error, (FaqError, OSError)) else repr(error)


def _jobs() -> Select[*tuple[Any, ...]]:
    columns = ("id", "kind", "status", "done", "total", "error", "release", "created_at", "updated_at")
    return select(*(getattr(JobRow, name) for name in columns))
