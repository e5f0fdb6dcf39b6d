"""What a request may weigh, checked before anything is parsed."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problem import problem

ASK_BYTES = 256 * 1024  # 32 questions of 1,000 characters, however encoded, with room for filters
IMPORT_BYTES = 512 * 1024 * 1024
IMPORT_PATH = "/v1/admin/entries/import"


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
