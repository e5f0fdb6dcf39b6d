"""The log of refused requests: the first of each kind at once, the others as a count.

While Qdrant or the database is away, hundreds of requests a second are refused for one and the same reason.
"""

import asyncio
import logging

WINDOW_S = 10.0
logger = logging.getLogger(__name__)


class Refusals:
    """Counts what is refused, by the code of the error. Use it on the event loop."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._counts: dict[str, int] = {}  # since the last line of each code; a code is here while its window is open

    def add(self, code: str, reason: str) -> None:
        """Log the first request of a code. The number of the others follows after each window that has any."""
        if code in self._counts:
            self._counts[code] += 1
            return
        logger.error("%s: %s", code, reason)
        self._open(code)

    def _open(self, code: str) -> None:
        self._counts[code] = 0
        asyncio.get_running_loop().call_later(self._window_s, self._close, code)

    def _close(self, code: str) -> None:
        count = self._counts.pop(code)
        if count:
            logger.error("%s: %d more requests were refused within %g s", code, count, self._window_s)
            self._open(code)
