"""The reindex job: one worker at a time.

The command line runs it in its own process. The service starts that same command as a child, at low priority, so that
building never slows down answering, and a crash of one does not stop the other.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.encoding.bundle import Bundle
from app.errors import Busy
from app.jobs import lock
from app.jobs.jobs import Job, Jobs, Work, patiently
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.gate import Gate
from app.releases.publishing import Progress, publish
from app.settings import Settings

KIND = "reindex"
NICENESS = "10"


def reindex(
    settings: Settings,
    bundle: Path | None = None,
    job_id: str | None = None,
    show: Progress = lambda done, total: None,
    override_by: str | None = None,
) -> str:
    """Build and activate the release of the store's entries and `bundle`, by default the one in use.

    Runs as the job `job_id`, or as a new one. `override_by`: who activates it even if it breaks golden questions.
    Returns the release's name. Raises Busy, NotReady, BundleError, IndexUnavailable, StoreError, Canceled, Blocked.
    """
    store = Store.open(settings.sqlalchemy_url, settings.history_days)
    try:
        with _at_work(settings, store, job_id) as (work, check):
            store.forget_old_versions()
            release = asyncio.run(_publish(settings, bundle, store, _progress(work, check, show), override_by))
            work.succeed(release)
        return release
    finally:
        store.close()


@contextmanager
def _at_work(settings: Settings, store: Store, job_id: str | None) -> Iterator[tuple[Work, lock.Check]]:
    """Hold the writer's lock, and run the job `job_id` or a new one. Raises Busy, naming the job that is running."""
    jobs = Jobs(store.database)
    try:
        with lock.writer(settings.home, store.database) as check:
            job_id = job_id or jobs.begin(KIND).job_id
            with jobs.work(job_id) as work:
                yield work, check
    except Busy as error:
        if job_id:
            jobs.fail(job_id, str(error))
        running = next((job for job in jobs.recent() if job.status == "running"), None)
        if running is None:
            raise
        raise Busy(f"The job {running.job_id} ({running.kind}) is running.", running.job_id) from None


async def _publish(
    settings: Settings, directory: Path | None, store: Store, progress: Progress, override_by: str | None
) -> str:
    catalog = Catalog(settings)
    gate = Gate(store.database, settings.golden_max_broken, override_by)
    try:
        bundle = Bundle.load(directory) if directory else await catalog.active_bundle()
        return await publish(catalog, bundle, store.published(), progress, gate)
    finally:
        await catalog.close()


def _progress(work: Work, check: lock.Check, show: Progress) -> Progress:
    """Report every step. Before the last, after which the release is switched to, look whether that may still be."""

    def progress(done: int, total: int) -> None:
        show(done, total)
        work.report(done, total)
        if done == total:
            patiently(check)
            work.confirm()

    return progress


class Worker:
    """Starts reindex jobs as child processes of the service, and ends with it."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._watching: set[asyncio.Task[None]] = set()

    async def start(self) -> Job:
        """Queue a job and start it. Raises Busy naming the one under way."""
        job = await asyncio.to_thread(self._jobs.queue, KIND)
        command = ["nice", "-n", NICENESS, sys.executable, "-m", "app", "reindex", "--job", job.job_id]
        environment = {**os.environ, **self._settings.environment()}
        try:
            child = await asyncio.create_subprocess_exec(
                *command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            await asyncio.to_thread(self._jobs.fail, job.job_id, f"The worker could not be started: {error}")
            raise
        task = asyncio.create_task(self._watch(child, job.job_id))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return job

    async def _watch(self, child: asyncio.subprocess.Process, job_id: str) -> None:
        ended = "The worker ended with exit status {}."  # a worker that is still able to write its reason has done so
        try:
            await child.wait()
        except asyncio.CancelledError:
            ended = "The service was stopped; the worker ended with exit status {}."
            child.terminate()
            await child.wait()
        if child.returncode != 0:
            await asyncio.to_thread(self._jobs.fail, job_id, ended.format(child.returncode))

    async def close(self) -> None:
        """Stop the children; a release that they have not activated is dropped."""
        for task in list(self._watching):
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
