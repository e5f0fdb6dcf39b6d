"""Timeouts, retries and a circuit breaker for the calls to a Qdrant server.

closed -> (OPENS_AFTER failures in a row) -> open: calls fail at once -> (OPEN_S) -> half-open: one call tries -> closed

A call that changes something is never retried. A read is retried once, after a failure that is no timeout, while at
most a tenth of the reads are retried: more failures than that are no accident.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import stamina

from app.errors import IndexUnavailable
from app.index.failures import is_failure

READS = frozenset(
    (
        "nearest_ids",
        "read_rows",
        "query_batch_points",
        "query_points",
        "retrieve",
        "count",
        "scroll",
        "get_aliases",
        "get_collections",
        "get_collection",
        "cluster_status",
    )
)
SCANS = frozenset(("scroll",))  # reads of many entries with vectors, which no question waits for
READ_S, SCAN_S = 2.0, 30  # of one read, and of one that is a scan; a search takes milliseconds
WRITE_S = 120.0
OPENS_AFTER = 5
OPEN_S, LONGEST_OPEN_S = 1.0, 8.0  # doubled after each trial that fails
SLOW_S = 1.0  # a call that its caller cancels after this long counts as a failure
RETRY_SHARE = 0.1
RETRY_BURST = 10.0

Call = Callable[[], Awaitable[Any]]
Clock = Callable[[], float]


class Breaker:
    """A circuit breaker: whether a server is called at all. `clock` gives seconds and must not go backwards."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_s = OPEN_S
        self._until: float | None = None  # the time from which one call may try; None while closed
        self._trying = False

    @property
    def closed(self) -> bool:
        """True while every call goes through."""
        return self._until is None

    def enter(self) -> None:
        """Call it before a call. Raises IndexUnavailable with `retry_after_s` where the call must not be made."""
        if self._until is None:
            return
        left = self._until - self._clock()
        if left > 0 or self._trying:
            error = IndexUnavailable("Qdrant does not answer. Try again shortly.")
            error.retry_after_s = max(left, OPEN_S)
            raise error
        self._trying = True

    def succeeded(self) -> None:
        """Call it after a call that the server answered, with a result or with a refusal."""
        self._failures, self._until, self._trying, self._open_s = 0, None, False, OPEN_S

    def failed(self) -> None:
        """Call it after a call that the server did not answer, or answered with an error of its own."""
        self._failures += 1
        if self._trying:
            self._open_s = min(2 * self._open_s, LONGEST_OPEN_S)
        elif self._failures < OPENS_AFTER:
            return
        self._trying = False
        self._until = self._clock() + self._open_s * random.uniform(0.8, 1.2)  # noqa: S311 - so that replicas do not try together

    def abandoned(self) -> None:
        """Call it after a call that was cancelled too early to tell whether the server answers."""
        self._trying = False


class Budget:
    """How many retries are left: each read earns a part of one."""

    def __init__(self) -> None:
        self._left = RETRY_BURST

    def earn(self) -> None:
        """Count a first attempt."""
        self._left = min(self._left + RETRY_SHARE, RETRY_BURST)

    def spend(self) -> bool:
        """Use up one retry. False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guarded:
    """A client with timeouts, retries and a circuit breaker around each of its coroutine methods.

    They raise the client's own errors, TimeoutError for a call that takes too long, and IndexUnavailable while the
    breaker is open.
    """

    def __init__(self, client: object, breaker: Breaker | None = None, read_s: float = READ_S) -> None:
        self._client = client
        self._read_s = read_s
        self.breaker = breaker or Breaker()
        self._budget = Budget()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        method = getattr(self._client, name)
        if name == "close" or not callable(method):
            return method

        async def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if name in READS:
                seconds = max(self._read_s, SCAN_S) if name in SCANS else self._read_s
                return await self._read(lambda: method(*args, **kwargs), seconds)
            return await self._once(lambda: method(*args, **kwargs), WRITE_S)

        return guarded

    async def _read(self, call: Call, seconds: float) -> Any:  # noqa: ANN401
        self._budget.earn()
        attempts = stamina.retry_context(
            on=self._may_retry, attempts=2, timeout=seconds, wait_initial=0.02, wait_max=0.1, wait_jitter=0.08
        )
        async for attempt in attempts:
            with attempt:
                return await self._once(call, seconds)
        raise AssertionError  # the last attempt returns or raises

    def _may_retry(self, error: Exception) -> bool:
        return (
            is_failure(error) and not isinstance(error, TimeoutError) and self.breaker.closed and self._budget.spend()
        )

    async def _once(self, call: Call, seconds: float) -> Any:  # noqa: ANN401
        self.breaker.enter()
        start = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                result = await call()
        except TimeoutError:
            self.breaker.failed()
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        except asyncio.CancelledError:
            (self.breaker.failed if time.monotonic() - start > SLOW_S else self.breaker.abandoned)()
            raise
        except Exception as error:
            (self.breaker.failed if is_failure(error) else self.breaker.succeeded)()
            raise
        self.breaker.succeeded()
        return result
