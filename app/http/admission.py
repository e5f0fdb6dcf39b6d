"""Which questions are taken in and how long they are worked on: room, time, and someone who waits for the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header
from starlette.requests import ClientDisconnect, Request

from app.errors import DeadlineExceeded, Overloaded
from app.http.metrics import Metrics

WATCHED_AFTER_S = 0.05  # most are answered by then; only for the others is it worth looking whether anyone still waits
MAX_TIMEOUT_MS = 60_000
TIMEOUT_HEADER = "X-Request-Timeout-Ms"

TimeoutMs = Annotated[
    int | None,
    Header(
        alias=TIMEOUT_HEADER,
        ge=1,
        le=MAX_TIMEOUT_MS,
        description="Time for this request in milliseconds; unset: FAQ_REQUEST_TIMEOUT_MS. "
        "What is not answered then is dropped, with 504.",
    ),
]


class Admission:
    """Counts the questions under way; one for all requests of a service."""

    def __init__(self, limit: int, timeout_s: float, metrics: Metrics) -> None:
        self._limit = limit
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._under_way = 0
        metrics.under_way.set_function(lambda: self._under_way)

    @asynccontextmanager
    async def admit(self, request: Request, questions: int, timeout_ms: int | None) -> AsyncIterator[None]:
        """Run the block within the limits; what it awaits is cancelled when one is reached.

        Raises Overloaded before the block, DeadlineExceeded or ClientDisconnect in its stead.
        """
        if self._under_way + questions > self._limit and self._under_way:
            self._metrics.refused.inc(questions)
            raise Overloaded(f"{self._under_way} questions are being answered already. Ask again shortly.")
        self._under_way += questions
        try:
            async with _Waiting(request):
                seconds = self._timeout_s if timeout_ms is None else timeout_ms / 1000
                async with asyncio.timeout(seconds) as time:
                    yield
        except TimeoutError:
            if not time.expired():
                raise
            self._metrics.expired.inc(questions)
            raise DeadlineExceeded(f"There was no answer within {seconds * 1000:.0f} ms.") from None
        except ClientDisconnect:
            self._metrics.abandoned.inc(questions)
            raise
        finally:
            self._under_way -= questions


class _Waiting:
    """Cancels the block when the client goes away, and raises ClientDisconnect in its stead."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER_S, self._start)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
        if self._gone and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise ClientDisconnect

    def _start(self) -> None:
        self._watch = asyncio.ensure_future(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task:
            self._gone = True
            self._task.cancel()
