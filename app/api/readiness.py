"""Whether a question would be answered: a real encode and search, repeated no more than every few seconds."""

import time

from app.errors import NotReady
from app.releases.live import Live

CHECK_EVERY_S = 3.0
PROBE = "Is anyone there?"


class Readiness:
    """Remembers the last check that went well; one that fails is repeated every time."""

    def __init__(self) -> None:
        self._passed: tuple[str, float] | None = None  # the release that answered, and when

    async def check(self, live: Live) -> str:
        """The name of the release that answers. Raises NotReady, IndexUnavailable."""
        now = time.monotonic()
        if self._passed and self._passed[0] == live.release and now - self._passed[1] < CHECK_EVERY_S:
            return self._passed[0]
        async with live.answerer() as answerer:
            (found,) = await answerer.rank([f"{PROBE} {time.monotonic_ns()}"], 1, {})  # one not yet remembered
            if not found:
                raise NotReady(f"The release {answerer.release} finds nothing.")
            self._passed = (answerer.release, now)
            return answerer.release
