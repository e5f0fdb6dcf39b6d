"""Request ids: the service gives each request its own id, and echoes the caller's X-Request-ID."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[\x21-\x7e]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The service's id of the request with this ASGI scope."""
    return str(scope.get("state", {}).get("request_id") or new_id())


def new_id() -> str:
    """A new id: 16 random bytes in hex."""
    return secrets.token_hex(16)


def callers_id(headers: Headers) -> str | None:
    """The caller's X-Request-ID; None where it is missing or not 1 to 128 printable ASCII characters."""
    sent = headers.get(HEADER, "")
    return sent if _ACCEPTABLE.fullmatch(sent) else None


class RequestIds:
    """Middleware: sets the id of the request in its scope and in the log; the response has X-Request-ID.

    The header is the caller's own id if it sent an acceptable one, and the service's otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with an id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = new_id()
        scope.setdefault("state", {})["request_id"] = ours
        theirs = callers_id(Headers(scope=scope))
        logs.request_id.set(logs.RequestId(ours, theirs))  # the context of this request's task: nothing to reset

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = theirs or ours
            await send(message)

        await self._app(scope, receive, send_with_id)
