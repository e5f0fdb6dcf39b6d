"""Deadlines for slow clients and a limit on open connections.

uvicorn has no timeout for the first request of a connection, nor for a request that has begun. Here the head of a
request must arrive within HEAD_S, its body within BODY_S + bytes / SLOWEST, and the client must read its response
within STALLED_S. Above the limit of connections, the one that has been idle longest is closed.
"""

import json
import logging
import resource
from asyncio import TimerHandle, Transport
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.headers import HEADERS
from app.http.problem import CODES, TYPE
from app.http.request_id import HEADER, ID_HEADER, acceptable, new_id

HEAD_S = 10.0
BODY_S = 20.0
SLOWEST = 16 * 1024  # bytes a second
STALLED_S = 30.0  # how long a client may leave its response unread
RESERVED_FILES = 256  # file descriptors for the database, the index and the log

logger = logging.getLogger(__name__)


def room_for(connections: int) -> int:
    """Raise the soft limit of open files for so many connections; return how many the limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = min(connections, soft - RESERVED_FILES)
    if room < connections:
        logger.warning("Room for %d connections, not %d: raise the limit of open files (ulimit -n).", room, connections)
    return room


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, one object a connection, with deadlines and a limit on connections.

    `bounded_protocol` makes the class of one server. This class relies on uvicorn's internals, so pyproject.toml pins
    uvicorn's minor version.
    """

    limit: ClassVar[int]  # of open connections
    on_refusal: ClassVar[Callable[[int], None]]  # called with the status of each refusal
    idle: ClassVar[OrderedDict[HttpToolsProtocol, None]]  # without a request in progress; longest idle first

    _timer: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _received = 0  # bytes of the body
    _began = 0.0  # when the body began, by the loop's clock

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request; above the limit, close the connection that is idle longest."""
        super().connection_made(transport)
        self.idle[self] = None
        self._start_timer(HEAD_S, self._on_late_head)
        if len(self.connections) > self.limit:
            longest_idle = next(iter(self.idle))
            if longest_idle is self:
                self._refuse(503, "All connections are in use.")
            else:
                longest_idle.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self.idle.pop(self, None)
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes. Blank lines before a request start its deadline, so that they do not keep a connection."""
        self._received += len(data)
        super().data_received(data)
        if self in self.idle and self._timer is None:
            self._start_timer(HEAD_S, self._on_late_head)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP."""
        self._refuse(400, msg)

    def on_message_begin(self) -> None:
        """A request begins: start the deadline of its head."""
        super().on_message_begin()
        self.idle.pop(self, None)
        self._start_timer(HEAD_S, self._on_late_head)

    def on_headers_complete(self) -> None:
        """The head is complete: start the deadline of the body, then the application."""
        self._received, self._began = 0, self.loop.time()
        self._start_timer(BODY_S, self._on_late_body)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete: stop its deadline."""
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The connection is idle, unless the client has sent the next request already."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self.idle[self] = None

    def pause_writing(self) -> None:
        """The client does not read its response: start the deadline for that."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again: stop the deadline."""
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def _start_timer(self, seconds: float, on_late: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, on_late)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _on_late_head(self) -> None:
        if self in self.idle:
            self.transport.abort()
        else:
            self._refuse(408, f"No whole request within {HEAD_S:g} s.")

    def _on_late_body(self) -> None:
        remaining_s = self._began + BODY_S + self._received / SLOWEST - self.loop.time()
        if remaining_s > 0:
            self._start_timer(remaining_s, self._on_late_body)
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(408, "The body arrives too slowly.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer instead of the application, and close the connection."""
        if self.transport.is_closing():
            return
        type(self).on_refusal(status)
        headers = [] if self in self.idle else self.headers  # those of an idle connection are of its last request
        self.transport.write(refusal(status, detail, acceptable(dict(headers).get(ID_HEADER, b""))))
        self.transport.close()


def bounded_protocol(limit: int, on_refusal: Callable[[int], None]) -> type[BoundedProtocol]:
    """The protocol class of one server with up to `limit` open connections.

    `on_refusal` is called with the status of each request that is refused before the application sees it.
    """
    attributes = {"limit": limit, "idle": OrderedDict(), "on_refusal": staticmethod(on_refusal)}
    return type("BoundedProtocol", (BoundedProtocol,), attributes)


def refusal(status: int, detail: str, echoed_id: str | None = None) -> bytes:
    """The bytes of an HTTP response with a problem, for a request that the application never sees.

    `echoed_id` is the caller's X-Request-ID.
    """
    phrase, code, request_id = HTTPStatus(status).phrase, CODES.get(status, "overloaded"), new_id()
    problem = {"type": f"{TYPE}{code}", "title": phrase, "status": status, "detail": detail, "instance": ""}
    body = json.dumps({**problem, "code": code, "request_id": request_id}).encode()
    head = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        f"{HEADER.lower()}: {echoed_id or request_id}",
        *(f"{name.lower()}: {value}" for name, value in HEADERS.items()),
        "connection: close",
        *(["retry-after: 2"] if status == 503 else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
