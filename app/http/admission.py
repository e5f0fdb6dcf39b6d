"""Admission of questions: a limit on those in progress, a deadline for each, a stop when the client disconnects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header
from starlette.requests import ClientDisconnect, Request

from app.errors import DeadlineExceeded, Overloaded
from app.http.metrics import Metrics
from app.http.shared import QUESTIONS, Shared

WATCH_AFTER_S = 0.05  # most requests are answered by then; the others are watched for a disconnect of the client
MAX_TIMEOUT_MS = 60_000
TIMEOUT_HEADER = "X-Request-Timeout-Ms"

TimeoutMs = Annotated[
    int | None,
    Header(
        alias=TIMEOUT_HEADER,
        ge=1,
        le=MAX_TIMEOUT_MS,
        description="Deadline of this request in milliseconds. Default: FAQ_REQUEST_TIMEOUT_MS. "
        "A request that is not answered by then gets 504.",
    ),
]


class Admission:
    """Counts the questions in progress. All requests of a process share one object, and all processes one limit.

    Processes that admit questions at the same moment may exceed the limit by a request each.
    """

    def __init__(self, limit: int, timeout_s: float, metrics: Metrics, shared: Shared) -> None:
        self._limit = limit
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._shared = shared
        self._in_progress = 0  # in this process
        metrics.gauges.under_way = lambda: shared.total(QUESTIONS)

    @asynccontextmanager
    async def admit(self, request: Request, questions: int, timeout_ms: int | None) -> AsyncIterator[None]:
        """Run the block for so many questions; cancel it at the deadline, or when the client disconnects.

        Raises Overloaded before the block runs, and DeadlineExceeded or ClientDisconnect when it is cancelled.
        """
        in_progress = self._shared.total(QUESTIONS)
        if in_progress + questions > self._limit and in_progress:
            self._metrics.refused.inc(questions)
            raise Overloaded(f"The service is already answering {in_progress} questions. Try again shortly.")
        self._add(questions)
        try:
            async with _CancelOnDisconnect(request):
                seconds = self._timeout_s if timeout_ms is None else timeout_ms / 1000
                async with asyncio.timeout(seconds) as timer:
                    yield
        except TimeoutError:
            if not timer.expired():
                raise
            self._metrics.expired.inc(questions)
            raise DeadlineExceeded(f"There was no answer within {seconds * 1000:.0f} ms.") from None
        except ClientDisconnect:
            self._metrics.abandoned.inc(questions)
            raise
        finally:
            self._add(-questions)

    def _add(self, questions: int) -> None:
        self._in_progress += questions
        self._shared.count(QUESTIONS, self._in_progress)


class _CancelOnDisconnect:
    """Cancels the block when the client disconnects, and raises ClientDisconnect instead of CancelledError."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._disconnected = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
        if self._disconnected and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise ClientDisconnect

    def _start(self) -> None:
        self._watch = asyncio.ensure_future(self._until_disconnected())

    async def _until_disconnected(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task:
            self._disconnected = True
            self._task.cancel()
