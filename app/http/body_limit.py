"""Limits the size of request bodies, before anything is parsed."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problem import problem

ASK_BYTES = 256 * 1024  # 32 questions of 1,000 characters, however encoded, with room for filters
IMPORT_BYTES = 512 * 1024 * 1024
ENTRIES_BYTES = 8 * 1024 * 1024
LIMITS = {
    "/console/import": IMPORT_BYTES,
    "/console/entry": ENTRIES_BYTES,
    "/console/entries-bulk": ENTRIES_BYTES,
    "/console/preview": ENTRIES_BYTES,
    "/console/effect": ENTRIES_BYTES,
    "/console/golden-import": ENTRIES_BYTES,
    "/v1/admin/entries/import": IMPORT_BYTES,
    "/v1/admin/entries/batch": ENTRIES_BYTES,
    "/v1/admin/entries": ENTRIES_BYTES,
    "/v1/admin/golden/import": ENTRIES_BYTES,
    "/v1/admin/entry": ENTRIES_BYTES,  # an entry of a file may have a thousand phrasings
}


class BodyLimit:
    """Middleware: 413 for a body over the limit, by its Content-Length and by the bytes that arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 413, or raise HTTPException 413 while the body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = LIMITS.get(scope["path"], ASK_BYTES)
        refusal = f"The body is larger than {limit:,} bytes."
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            await problem(scope, 413, refusal)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, refusal)
            return message

        await self._app(scope, receive_counted, send)
