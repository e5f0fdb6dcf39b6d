"""The short way through the framework, for the routes that are asked all day.

A route of this class reads its body into the endpoint's model in one step, calls the endpoint, and writes what it
returns in one step: no dependencies to solve, no reply to check against the model that it is made of. The signature
of the endpoint stays what documents it: `body`, `request`, `service` and `timeout_ms`.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api.admission import TIMEOUT_HEADER, TimeoutMs
from app.api.parameters import known_parameters
from app.api.security import admitted
from app.spelling import hint

_TIMEOUT = TypeAdapter[int | None](TimeoutMs)


class Direct(APIRoute):
    """A route for `async def endpoint(body: Model, request, service, timeout_ms) -> Model`, open to ask keys."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of one request: admit it, parse its body, await the endpoint, serialise what it returns."""
        endpoint, model = self.endpoint, self.endpoint.__annotations__["body"]
        assert issubclass(model, BaseModel)  # noqa: S101 - as the docstring says

        async def handle(request: Request) -> Response:
            await admitted(request, "ask", "application/json")
            await known_parameters(request)
            body = _parsed(model, await request.body())
            reply: BaseModel = await endpoint(body, request, request.state.services, _timeout_ms(request))
            return Response(reply.__pydantic_serializer__.to_json(reply), media_type="application/json")

        return handle


def _parsed(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = [_with_hint(each, model) for each in error.errors(include_url=False, include_context=True)]
        raise RequestValidationError(errors) from None


def _with_hint(error: Any, model: type[BaseModel]) -> Any:  # noqa: ANN401 - pydantic's dictionary of one error
    """An unknown field of the model itself with the name of the nearest one that it has."""
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
        found = [{**one, "loc": ("header", TIMEOUT_HEADER)} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None
