"""Has changes answer by themselves: starts an update when an entry was edited and when validity begins or ends.

What is to be done stands in the store (`app.knowledge.wishes`, `app.knowledge.validity`), so another replica, or the
next start of the service, does what this one leaves undone.
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from app.errors import Busy, FaqError, StoreError
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.knowledge.wishes import Pending, Wishes
from app.releases.turns import UPDATE
from app.releases.worker import Worker

POLL_S = 5.0  # changes that other processes stored, such as a replica that died since, are noticed within this
TOGETHER_S = 1.0  # an update begins at most so often: edits within this become one increment
BUSY_S = 0.5  # another job is under way: look again after this
RETRY_S, LONGEST_RETRY_S = 5.0, 60.0  # after an update that failed; doubles each time. An edit is tried at once

Mode = Literal["edits", "all", "off"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Awaited:
    """What the active release lacks: changes that wait, validity that has changed, and when it changes next."""

    pending: Pending
    changed_validity: int
    next_validity: datetime | None

    def __bool__(self) -> bool:
        return bool(self.pending or self.changed_validity)


class Followed(Protocol):
    """The active release, as this process knows it."""

    @property
    def release(self) -> str | None:
        """Its name."""

    @property
    def created_at(self) -> datetime | None:
        """When its entries were read from the store."""

    async def follow(self) -> None:
        """Look which release is active now."""


class Updates(Protocol):
    """What routes ask and tell the updater, which may be in another process."""

    @property
    def mode(self) -> Mode:
        """Which changes answer by themselves."""

    @property
    def failure(self) -> str | None:
        """Why the last update failed, until one succeeds."""

    def notify(self) -> None:
        """Say that an entry was edited. From any thread."""

    def awaited(self) -> Awaited:
        """What the active release lacks. Reads the store. Raises StoreError."""


class Seen(NamedTuple):
    """A release, and when it lacked nothing."""

    release: str | None
    at: datetime | None


class Updater:
    """Starts updates as jobs of the worker while the service runs."""

    def __init__(self, mode: Mode, store: Store, live: Followed, worker: Worker, jobs: Jobs) -> None:
        self.mode = mode
        self.failure: str | None = None  # why the last update failed, until one succeeds
        self._store, self._live, self._worker, self._jobs = store, live, worker, jobs
        self._edited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._retry_s = RETRY_S
        self.seen = Seen(None, None)
        self._began = -TOGETHER_S  # when the last update was started

    def start(self) -> None:
        """Begin, unless the mode is `off`."""
        if self.mode != "off":
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop. An update that is under way is stopped with the worker."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def notify(self) -> None:
        """Say that an entry was edited. From any thread."""
        self._loop.call_soon_threadsafe(self._edited.set)

    def awaited(self) -> Awaited:
        """What the active release lacks. Reads the store. Raises StoreError."""
        return awaited(self._store, self._live, self.seen)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._began + TOGETHER_S - time.monotonic())
            self._edited.clear()
            try:
                wait_s = await self._step()
            except StoreError as error:  # looking again costs little
                self._note(str(error))
                wait_s = POLL_S
            except (FaqError, OSError) as error:
                wait_s = self._fails(str(error))
            except Exception as error:
                logger.exception("Looking for changes to publish failed; it is tried again")
                wait_s = self._fails(repr(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._edited.wait(), wait_s)

    async def _step(self) -> float:
        """Bring the release up to date if it lacks anything. Returns the seconds after which to look again."""
        awaited = await asyncio.to_thread(self.awaited)
        if not awaited or self._live.release is None:
            return _until(awaited.next_validity)
        began, looked_at = time.monotonic(), datetime.now(UTC)
        try:
            job = await self._worker.start(UPDATE)
        except Busy:
            return BUSY_S
        self._began = began
        await self._worker.ended(job.job_id)
        job = await asyncio.to_thread(self._jobs.get, job.job_id)
        if job.status != "succeeded":
            return self._fails(job.error or f"The job {job.job_id} was canceled.")
        await self._live.follow()
        if self._live.release != job.release:
            return self._fails(f"The release {job.release} is active, and this service does not answer from it.")
        self.seen = Seen(job.release, looked_at)
        self.failure, self._retry_s = None, RETRY_S
        return 0.0

    def _fails(self, reason: str) -> float:
        """Note that an update failed. Returns the seconds after which to try again."""
        self._note(reason)
        wait_s, self._retry_s = self._retry_s, min(2 * self._retry_s, LONGEST_RETRY_S)
        return wait_s

    def _note(self, reason: str) -> None:
        if reason != self.failure:
            logger.warning("Changes are stored and do not answer yet: %s", reason)
        self.failure = reason


def awaited(store: Store, live: Followed, seen: Seen) -> Awaited:
    """What the active release lacks. `seen`: what was found out about it before. Raises StoreError."""
    since = seen.at if seen.release == live.release else live.created_at
    changed = store.changed_validity(since) if since else frozenset[str]()
    return Awaited(Wishes(store.database).pending(), len(changed), store.next_validity())


def _until(moment: datetime | None) -> float:
    """The seconds until the moment, at most POLL_S."""
    if moment is None:
        return POLL_S
    return min(POLL_S, max(0.0, (moment - datetime.now(UTC)).total_seconds()))
