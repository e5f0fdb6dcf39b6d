"""Security headers on every response; a route that sets its own, as the pages do, keeps it."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DOCS = "/docs"


class SecurityHeaders:
    """Nothing of an answer is a page, and no answer is kept by a cache."""

    def __init__(self, app: ASGIApp, docs_policy: str) -> None:
        self._app = app
        self._docs = {**HEADERS, "Content-Security-Policy": docs_policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = self._docs if scope["path"] == DOCS else HEADERS
        if scope["path"].startswith("/v1/"):
            ours = {**ours, "Cache-Control": "no-store"}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ours.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def docs_policy(app: FastAPI) -> str:
    """For the API's documentation: its scripts from where FastAPI takes them, and the one inline script by its hash."""
    page = bytes(get_swagger_ui_html(openapi_url=str(app.openapi_url), title=f"{app.title} - Swagger UI").body).decode()
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inline)
    hosts = " ".join(sorted(set(re.findall(r'(?:src|href)="(https://[^/"]+)', page))))
    return (
        f"default-src 'none'; script-src {hosts} {hashes}; style-src {hosts} 'unsafe-inline'; img-src {hosts} data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
