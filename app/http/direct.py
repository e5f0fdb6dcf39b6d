"""A faster way to the question endpoints, which get most of the traffic.

It finds the route by its path, parses the body into the endpoint's model, awaits the endpoint and serialises the reply,
and skips FastAPI's router, dependency injection and response validation. The endpoint's signature still produces its
OpenAPI documentation.
"""

from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.admission import TIMEOUT_HEADER, TimeoutMs
from app.http.parameters import known_parameters
from app.http.security import admit
from app.text.spelling import hint

_TIMEOUT = TypeAdapter[int | None](TimeoutMs)


class Direct(APIRoute):
    """A route for `async def endpoint(body: Model, request, service, timeout_ms) -> Model`, open to ask keys."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of one request: check it, parse its body, await the endpoint, serialise the reply."""
        endpoint, model = self.endpoint, self.endpoint.__annotations__["body"]
        assert issubclass(model, BaseModel)  # noqa: S101 - a route with another signature is a defect

        async def handle(request: Request) -> Response:
            admit(request, "ask")
            _check_content_type(request)
            await known_parameters(request)
            body = _parsed(model, await request.body())
            reply: BaseModel = await endpoint(body, request, request.state.services, _timeout_ms(request))
            return Response(reply.__pydantic_serializer__.to_json(reply), media_type="application/json")

        return handle

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that `Directly` found this route for. Raises what its endpoint raises."""
        scope["route"] = self
        response = await self._answering(Request(scope, receive, send))
        await response(scope, receive, send)

    @cached_property
    def _answering(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.get_route_handler()


class Directly:
    """Middleware: passes a request to the direct route of its path and method, and any other one to the router.

    The router knows the direct routes too, for all that is not a plain request for one of them.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        direct = [route for route in routes if isinstance(route, Direct)]
        self._routes = {(method, route.path): route for route in direct for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (route.answer if route else self._app)(scope, receive, send)


def _check_content_type(request: Request) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != "application/json":
        raise HTTPException(415, f"Content-Type is {sent or 'missing'}; send application/json.")


def _parsed(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = [_with_hint(details, model) for details in error.errors(include_url=False, include_context=True)]
        raise RequestValidationError(errors) from None


def _with_hint(error: Any, model: type[BaseModel]) -> Any:  # noqa: ANN401 - pydantic's dictionary of one error
    """The error; if it is about an unknown top-level field, with the name of the nearest field of the model."""
    if error["type"] != "extra_forbidden" or len(error["loc"]) != 1:
        return error
    (name,) = error["loc"]
    return {**error, "msg": f"There is no field `{name}`; {hint(name, model.model_fields)}"}


def _timeout_ms(request: Request) -> int | None:
    sent = request.headers.get(TIMEOUT_HEADER)
    if sent is None:
        return None
    try:
        return _TIMEOUT.validate_strings(sent)
    except ValidationError as error:
        errors = [{**details, "loc": ("header", TIMEOUT_HEADER)} for details in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None
