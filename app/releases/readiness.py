"""The readiness probe: encodes and searches a real question, at most once every few seconds."""

import asyncio
import time
from dataclasses import dataclass

from app.answering import Answerer
from app.errors import NotReady
from app.releases.live import Live

CHECK_EVERY_S = 3.0
PROBE = "Is anyone there?"


@dataclass(frozen=True, slots=True)
class _Result:
    """The outcome of the last probe; `error` is None where it passed."""

    release: str
    at: float
    error: Exception | None


class Readiness:
    """Runs one probe at a time and keeps its result, good or bad, for CHECK_EVERY_S while the same release serves."""

    def __init__(self) -> None:
        self._last: _Result | None = None
        self._probing = asyncio.Lock()

    async def check(self, live: Live) -> str:
        """The name of the release that answers. Raises NotReady, IndexUnavailable."""
        async with self._probing, live.answerer() as answerer:
            last = self._last
            if last is None or last.release != answerer.release or time.monotonic() - last.at >= CHECK_EVERY_S:
                last = self._last = await _probe(answerer)
        if last.error:
            raise last.error.with_traceback(None)
        return last.release


async def _probe(answerer: Answerer) -> _Result:
    error: Exception | None = None
    try:
        (ranked,) = await answerer.rank([f"{PROBE} {time.monotonic_ns()}"], 1, {})  # a text that no cache holds
        if not ranked.payloads() and answerer.index.record.entries:
            error = NotReady(f"The release {answerer.release} finds nothing.")
    except Exception as raised:
        error = raised
    return _Result(answerer.release, time.monotonic(), error)
