"""What a request may weigh, checked before anything is parsed."""

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InputError
from app.http.problem import problem

ASK_BYTES = 256 * 1024  # 32 questions of 1,000 characters, however encoded, with room for filters
IMPORT_BYTES = 512 * 1024 * 1024
IMPORT_PATH = "/v1/admin/entries/import"
DEPTH = 16  # of arrays and objects; a question with filters has three

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def check_nesting(body: bytes) -> None:
    """Raise InputError for JSON nested deeper than DEPTH, before a parser that recurses sees it.

    Peels the innermost brackets off, all at once, DEPTH times: a fixed number of passes over the body.
    """
    left = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    if len(left) > DEPTH:  # fewer brackets that do not match are for the parser to name
        raise InputError(f"The body is nested deeper than {DEPTH} levels, or its brackets do not match.", "body")


class BodyLimit:
    """Refuses a body that is too large with 413, by the size that it announces and by the size that arrives."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = IMPORT_BYTES if scope["path"] == IMPORT_PATH else ASK_BYTES
        refusal = f"The body is larger than {limit:,} bytes."
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            await problem(scope, 413, refusal)(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise HTTPException(413, refusal)
            return message

        await self._app(scope, counted, send)
