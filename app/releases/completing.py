"""Keeps the completions of typed questions in step with the release that answers."""

import asyncio
import logging
import time

from app.errors import StoreError
from app.knowledge.completion import Completion, Completions
from app.knowledge.store import Store
from app.releases.live import Live

REBUILD_S = 30.0  # 100,000 questions take a second of a thread, so frequent edits do not rebuild each time
logger = logging.getLogger(__name__)


class Completer:
    """Completes to the questions of the store's live and valid entries, as of a recent switch of the release."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live
        self._completions = Completions()
        self._release: str | None = None
        self._built_at = 0.0
        self._building: asyncio.Task[None] | None = None

    async def of(self, typed: str, limit: int) -> list[Completion]:
        """Up to `limit` questions that hold the words of `typed`. Only the first call waits for them to be read.

        After a switch of the release, the questions of before are completed until those of the new one are read.
        """
        if self._live.release != self._release and self._building is None and self._is_due():
            self._building = asyncio.create_task(self._build(self._live.release))
        if self._building is not None and self._release is None:
            await asyncio.shield(self._building)
        return self._completions.of(typed, limit)

    async def close(self) -> None:
        """Wait for what is being read."""
        if self._building is not None:
            await self._building

    def _is_due(self) -> bool:
        return self._release is None or time.monotonic() - self._built_at >= REBUILD_S

    async def _build(self, release: str | None) -> None:
        try:
            self._completions = await asyncio.to_thread(lambda: Completions(self._store.questions()))
            self._release, self._built_at = release, time.monotonic()
        except StoreError as error:
            logger.warning("The questions for completions cannot be read; the next request tries again: %s", error)
        finally:
            self._building = None
