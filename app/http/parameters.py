"""Refuses unknown query parameters, as the schemas refuse unknown fields of a body."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from app.text.spelling import hint


async def known_parameters(request: Request) -> None:
    """Raise RequestValidationError for query parameters that the OpenAPI document does not list for this operation.

    Pages are not in that document, so links to them may have parameters of other tools (`utm_source`).
    """
    if not request.scope["query_string"]:
        return
    path = request.app.openapi()["paths"].get(request.scope["route"].path, {})
    operation = path.get(request.method.lower())
    if operation is None:
        return
    known = query_parameters(operation)
    if unknown := [name for name in request.query_params if name not in known]:
        raise RequestValidationError([_error(name, known) for name in unknown])


def query_parameters(operation: Mapping[str, Any]) -> set[str]:
    """The names of the query parameters of an operation of the OpenAPI document."""
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}


def _error(name: str, known: set[str]) -> dict[str, object]:
    message = f"There is no query parameter `{name}`; {hint(name, known)}"
    return {"type": "unknown_parameter", "loc": ("query", name), "msg": message}
