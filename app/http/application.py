"""FastAPI with one layer around its routes, and a short way to the routes that get most of the traffic."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from app.http.direct import Directly
from app.http.envelope import Envelope
from app.http.metrics import Metrics

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
}  # app.http.metrics and the log do it


class Application(FastAPI):
    """The framework's application. `Envelope` answers all errors, so the framework's own handlers are not in use."""

    def __init__(self, metrics: Metrics, origins: Sequence[str], **options: Any) -> None:  # noqa: ANN401 - the framework's
        """`origins`: whose pages may use the widget. `options`: the framework's own."""
        super().__init__(telemetry=NO_TELEMETRY, **options)
        self._metrics, self._origins = metrics, origins
        self._direct: list[BaseRoute] = []

    def add_direct(self, routes: Iterable[BaseRoute]) -> None:
        """Routes of an included router, which are looked up before all others."""
        self._direct.extend(routes)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers around the router. The framework calls this at the first request."""
        routes = Directly(AsyncExitStackMiddleware(self.router), self._direct)
        return Envelope(routes, self._metrics, self._origins)
