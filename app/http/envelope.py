"""The one layer around all routes, for every request and response.

It gives the request its id, limits its body, turns an error into a problem, counts the response by route and status,
and completes its headers. The framework's own layers and one for each of these tasks cost three times as much.
"""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.http import problem
from app.http.body_limit import limit_of
from app.http.cors import WidgetOrigins
from app.http.headers import completed
from app.http.metrics import Metrics
from app.http.request_id import ID_HEADER, acceptable, new_id


class Envelope:
    """Middleware, the outermost. With `origins` it shares the widget's routes with their pages."""

    def __init__(self, app: ASGIApp, metrics: Metrics, origins: Sequence[str] = ()) -> None:
        self._metrics, self._origins = metrics, origins
        self._app = self._shared(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. If a response has started, an error is raised, and the server disconnects."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._metrics)
        try:
            exchange.check_declared()
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            response = problem.response_to(Request(scope), error)
            await self._shared(response)(scope, receive, exchange.send)

    def _shared(self, app: ASGIApp) -> ASGIApp:
        return WidgetOrigins(app, self._origins) if self._origins else app


class _Exchange:
    """One request and its response."""

    __slots__ = ("_id", "_limit", "_metrics", "_receive", "_received", "_scope", "_send", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, metrics: Metrics) -> None:
        self._scope, self._receive, self._send, self._metrics = scope, receive, send, metrics
        self._limit, self._received = limit_of(scope["path"]), 0
        self.started = False  # whether a part of the response was sent
        ours = new_id()
        scope.setdefault("state", {})["request_id"] = ours
        theirs = acceptable(_first(scope, ID_HEADER))
        logs.request_id.set(logs.RequestId(ours, theirs))  # the context of this request's task: nothing to reset
        self._id = (theirs or ours).encode()

    def check_declared(self) -> None:
        """Raise HTTPException 413 for a body that is too large by its Content-Length."""
        declared = _first(self._scope, b"content-length")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """As ASGI's. Raises HTTPException 413 if the body is too large by the bytes that arrived."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """As ASGI's. Counts the response when it starts, by the path template that matched: clients could invent any
        number of raw paths."""
        self.started = True
        if message["type"] == "http.response.start":
            route = getattr(self._scope.get("route"), "path", "none")
            self._metrics.responded(route, message["status"])
            headers = completed(message.get("headers", ()), self._scope["path"])
            message["headers"] = [*headers, (ID_HEADER, self._id)]
        await self._send(message)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"The body is larger than {self._limit:,} bytes.")


def _first(scope: Scope, name: bytes) -> bytes:
    """The value of a header of the request; empty where it is missing."""
    for header, value in scope["headers"]:
        if header == name:
            return bytes(value)
    return b""
