"""Takes what was asked off the answering path: a bounded queue on the event loop, written in batches by a thread."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from app.errors import StoreError
from app.questions.asked import Asked

FLUSH_S = 10.0  # a question is in the database after so long; a killed process loses no more
BATCH = 5_000  # questions that are written at once, and sooner than FLUSH_S
CAPACITY = 20_000  # waiting questions; more are dropped and counted
FORGET_S = 3600.0  # what is too old is deleted as often as that

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Is told what became of the questions."""

    def logged(self, questions: int) -> None:
        """So many questions were written."""

    def not_logged(self, questions: int) -> None:
        """So many questions were dropped: the queue was full, or the database away at the end."""


class Recorder:
    """The queue. Use it only on the event loop. `record` never waits and never raises."""

    def __init__(
        self,
        write: Callable[[Sequence[Asked]], None],
        forget: Callable[[float], None] | None,
        observer: Observer,
        *,
        capacity: int = CAPACITY,
        flush_s: float = FLUSH_S,
    ) -> None:
        """`write` writes a batch, `forget` deletes what is too old at a time; both run in a thread. Without `forget`
        another process deletes."""
        self._write, self._forget, self._observer = write, forget, observer
        self._capacity, self._batch, self._flush_s = capacity, min(BATCH, capacity), flush_s
        self._waiting: list[Asked] = []
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._closing = False
        self._failing = False
        self._forgot: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._run())

    def record(self, asked: Asked) -> None:
        """Queue a question, or drop and count it if the queue is full."""
        if len(self._waiting) >= self._capacity:
            self._observer.not_logged(1)
            return
        self._waiting.append(asked)
        if len(self._waiting) == self._batch:
            self._wake.set()

    async def flush(self) -> None:
        """Write what is waiting now. Questions that cannot be written stay in the queue."""
        async with self._writing:
            count = len(self._waiting)  # those that arrive meanwhile wait for the next time, or it would never end
            while count > 0:
                batch = self._waiting[: min(count, self._batch)]
                if not await self._written(batch):
                    return
                del self._waiting[: len(batch)]
                count -= len(batch)

    async def close(self) -> None:
        """Write what is waiting, and stop; what the database does not take is dropped and counted."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task
        await self.flush()
        if self._waiting:
            logger.warning("%d questions are not in the log: the database did not take them", len(self._waiting))
            self._observer.not_logged(len(self._waiting))
            self._waiting.clear()

    async def _run(self) -> None:
        while not self._closing:
            if self._forget and (self._forgot is None or time.monotonic() - self._forgot >= FORGET_S):
                await self._forget_old(self._forget)
            self._wake.clear()
            if len(self._waiting) < self._batch or self._failing:
                await self._pause()
            await self.flush()

    async def _pause(self) -> None:
        """Wait until it is time to write, a batch is full, or the service stops."""
        try:
            async with asyncio.timeout(self._flush_s):
                while not self._closing and (self._failing or len(self._waiting) < self._batch):
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            pass

    async def _written(self, batch: Sequence[Asked]) -> bool:
        """Write a batch in a thread; whether it may leave the queue. Logs the first failure of several."""
        try:
            await asyncio.to_thread(self._write, batch)
        except StoreError as error:
            if not self._failing:
                logger.warning("Questions cannot be logged; up to %d wait. %s", self._capacity, error)
            self._failing = True
            return False
        except Exception:
            logger.exception("%d questions cannot be logged", len(batch))
            self._observer.not_logged(len(batch))
            return True
        if self._failing:
            logger.info("Questions are logged again")
        self._failing = False
        self._observer.logged(len(batch))
        return True

    async def _forget_old(self, forget: Callable[[float], None]) -> None:
        self._forgot = time.monotonic()
        try:
            await asyncio.to_thread(forget, time.time())
        except StoreError as error:
            logger.warning("Old questions cannot be deleted; it is tried again in an hour. %s", error)
        except Exception:
            logger.exception("Old questions cannot be deleted")
