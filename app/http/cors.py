"""Asking from pages of other origins: what the widget needs, for the origins in FAQ_WIDGET_ORIGINS.

An origin proves nothing outside browsers: any program can send one. Rate limits protect against programs.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = frozenset(("/v1/ask", "/v1/feedback", "/v1/suggest"))
METHODS = ("GET", "POST")
REQUEST_HEADERS = ("Authorization", "Content-Type", "X-API-Key")
RESPONSE_HEADERS = ("Retry-After", "X-Request-Id")
MAX_AGE_S = 3600  # how long a browser remembers that it may ask


class WidgetOrigins:
    """Middleware: CORS on the routes that the widget calls, and on no other. `*` in `origins` allows every page."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._shared = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            max_age=MAX_AGE_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, through CORS where the route is shared."""
        shared = scope["type"] == "http" and scope["path"] in PATHS
        await (self._shared if shared else self._app)(scope, receive, send)
