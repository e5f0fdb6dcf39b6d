"""Admission of questions: a limit on those in progress, a deadline for each, a stop when the client disconnects."""

import asyncio
from types import TracebackType
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
        self.metrics = metrics
        self._shared = shared
        self._in_progress = 0  # in this process
        metrics.gauges.under_way = lambda: shared.total(QUESTIONS)

    def admit(self, request: Request, questions: int, timeout_ms: int | None) -> "_Admitted":
        """Run the block for so many questions; cancel it at the deadline, or when the client disconnects.

        Raises Overloaded before the block runs, and DeadlineExceeded or ClientDisconnect when it is cancelled.
        """
        return _Admitted(self, request, questions, self._timeout_s if timeout_ms is None else timeout_ms / 1000)

    def begin(self, questions: int) -> None:
        """Count questions. Raises Overloaded where there would be too many."""
        in_progress = self._shared.total(QUESTIONS)
        if in_progress + questions > self._limit and in_progress:
            self.metrics.refused.inc(questions)
            raise Overloaded(f"The service is already answering {in_progress} questions. Try again shortly.")
        self._add(questions)

    def end(self, questions: int) -> None:
        """Count questions no longer."""
        self._add(-questions)

    def _add(self, questions: int) -> None:
        self._in_progress += questions
        self._shared.count(QUESTIONS, self._in_progress)


class _Admitted:
    """The block of one request. Most end within WATCH_AFTER_S, so one timer starts what only the others need."""

    def __init__(self, admission: Admission, request: Request, questions: int, seconds: float) -> None:
        self._admission, self._request, self._questions, self._seconds = admission, request, questions, seconds
        self._disconnected = False
        self._watch: asyncio.Task[None] | None = None
        self._deadline = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        self._admission.begin(self._questions)
        await self._deadline.__aenter__()
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._began = self._loop.time()
        self._timer = self._loop.call_later(min(self._seconds, WATCH_AFTER_S), self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
        self._admission.end(self._questions)
        metrics = self._admission.metrics
        try:
            await self._deadline.__aexit__(kind, error, traceback)
        except TimeoutError:
            metrics.expired.inc(self._questions)
            raise DeadlineExceeded(f"There was no answer within {self._seconds * 1000:.0f} ms.") from None
        if self._disconnected and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            metrics.abandoned.inc(self._questions)
            raise ClientDisconnect

    def _look(self) -> None:
        """Set the deadline, and watch whether the client disconnects."""
        self._deadline.reschedule(self._began + self._seconds)
        self._watch = self._loop.create_task(self._until_disconnected())

    async def _until_disconnected(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task:
            self._disconnected = True
            self._task.cancel()
