"""One id a request, made by us; the caller's own X-Request-ID is taken for correlation and given back."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"^[\x21-\x7e]{1,128}$")


def request_id_of(scope: Scope) -> str:
    """The id of the request in progress."""
    return str(scope.get("state", {}).get("request_id") or new_id())


def new_id() -> str:
    """A new id: 16 random bytes in hex."""
    return secrets.token_hex(16)


class RequestIds:
    """Gives every request an id, also in the log, and echoes the caller's, or ours, in X-Request-ID."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = new_id()
        scope.setdefault("state", {})["request_id"] = ours
        theirs = Headers(scope=scope).get(HEADER, "")
        echoed = theirs if _ACCEPTABLE.match(theirs) else ours
        logs.request_id.set(
            logs.RequestId(ours, theirs if echoed == theirs else None)
        )  # the server's task ends with it

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = echoed
            await send(message)

        await self._app(scope, receive, send_with_id)
