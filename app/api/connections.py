"""What one connection may cost: how long it may take to say something, and how many of them there may be.

uvicorn waits for ever for a request that has begun, and for the first one on a connection. Here a request's head must
arrive within HEAD_S, its body no slower than BODY_S + bytes / SLOWEST, and a response must be taken within STALLED_S.
Of too many connections the one that has been idle for longest is closed for the new one.
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

from app.api.headers import HEADERS
from app.api.problem import CODES, TYPE
from app.api.request_id import HEADER, new_id

HEAD_S = 10.0
BODY_S = 20.0
SLOWEST = 16 * 1024  # bytes a second
STALLED_S = 30.0  # that a response may wait for its reader
RESERVED_FILES = 256  # descriptors that are not connections: the database, the index, the log

logger = logging.getLogger(__name__)


def room_for(connections: int) -> int:
    """How many connections there can be: as many as wanted, or as the limit of open files, raised, has room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = min(connections, soft - RESERVED_FILES)
    if room < connections:
        logger.warning("Room for %d connections, not %d: raise the limit of open files (ulimit -n).", room, connections)
    return room


class Bounded(HttpToolsProtocol):
    """uvicorn's protocol with deadlines, and with at most `most` connections; `bounded` makes one."""

    most: ClassVar[int]
    refused: ClassVar[Callable[[int], None]]  # is told the status of each refusal
    quiet: ClassVar[OrderedDict[HttpToolsProtocol, None]]  # without a request in progress, longest idle first

    _timer: TimerHandle | None = None
    _writing: TimerHandle | None = None
    _arrived = 0
    _began = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, and make room where there is none."""
        super().connection_made(transport)
        self.quiet[self] = None
        self._arm(HEAD_S, self._head_is_late)
        if len(self.connections) > self.most:
            longest = next(iter(self.quiet))
            if longest is self:
                self._refuse(503, "All connections are in use.")
            else:
                longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self.quiet.pop(self, None)
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count; blank lines between requests begin none, and do not keep a connection."""
        self._arrived += len(data)
        super().data_received(data)
        if self in self.quiet and self._timer is None:
            self._arm(HEAD_S, self._head_is_late)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP."""
        self._refuse(400, msg)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.quiet.pop(self, None)
        self._arm(HEAD_S, self._head_is_late)

    def on_headers_complete(self) -> None:
        """Its head is whole; the application starts."""
        self._arrived, self._began = 0, self.loop.time()
        self._arm(BODY_S, self._body_is_late)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is whole."""
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Nothing is owed to anyone, unless the next request is there already."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self.quiet[self] = None

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._writing:
            self._writing.cancel()
            self._writing = None

    def _arm(self, seconds: float, late: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, late)

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self in self.quiet:
            self.transport.abort()
        else:
            self._refuse(408, f"No whole request within {HEAD_S:g} s.")

    def _body_is_late(self) -> None:
        left = self._began + BODY_S + self._arrived / SLOWEST - self.loop.time()
        if left > 0:
            self._arm(left, self._body_is_late)
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(408, "The body arrives too slowly.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer in place of the application, and hang up."""
        if not self.transport.is_closing():
            type(self).refused(status)
            self.transport.write(refusal(status, detail))
            self.transport.close()


def bounded(connections: int, refused: Callable[[int], None]) -> type[Bounded]:
    """The protocol of one server that holds up to `connections`; `refused` is told the status of each refusal."""
    return type("Bounded", (Bounded,), {"most": connections, "quiet": OrderedDict(), "refused": staticmethod(refused)})


def refusal(status: int, detail: str) -> bytes:
    """A whole response to what never became a request."""
    phrase, code, request_id = HTTPStatus(status).phrase, CODES.get(status, "overloaded"), new_id()
    problem = {"type": f"{TYPE}{code}", "title": phrase, "status": status, "detail": detail, "instance": ""}
    body = json.dumps({**problem, "code": code, "request_id": request_id}).encode()
    head = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        f"{HEADER.lower()}: {request_id}",
        *(f"{name.lower()}: {value}" for name, value in HEADERS.items()),
        "connection: close",
        *(["retry-after: 2"] if status == 503 else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
