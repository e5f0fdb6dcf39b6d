"""Errors as RFC 9457 problem details: the only place where HTTP meets our errors."""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors
from app.http.request_id import request_id_of

logger = logging.getLogger(__name__)

TYPE = "urn:faqtual:error:"  # + code; docs/errors.md says what each means and what to do
RETRY_AFTER_S = "2"
ROWS_SHOWN = 1000
FORM = "multipart/form-data"
UNEXPECTED = "Something went wrong here. The log has it under the request_id."

STATUS: dict[type[errors.FaqError], int] = {
    errors.InputError: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.NotReady: 503,
    errors.BundleError: 503,
    errors.IndexUnavailable: 503,
    errors.StoreError: 503,
    errors.Overloaded: 429,
    errors.DeadlineExceeded: 504,
    errors.SettingsError: 500,
}

UNLOGGED = (errors.NotReady, errors.DeadlineExceeded)  # probes ask long before the first release; metrics count these

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
    428: "precondition_required",
}


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable; branch on this.")
    request_id: str
    errors: list[dict[str, Any]] | None = Field(
        None, description="Each field, row or operation that is wrong, and why."
    )
    report: dict[str, Any] | None = Field(
        None, description="With 422 to a dry run of an import: what would become of the rows that are not refused."
    )
    entry: dict[str, Any] | None = Field(None, description="With 412: the entry as it is now, with its `etag`.")


def install(app: FastAPI) -> None:
    """Answer every error of `app` as application/problem+json."""
    app.add_exception_handler(errors.FaqError, _faq_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these statuses with the problem's schema."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}


def problem(
    scope: Scope,
    status: int,
    detail: str,
    code: str | None = None,
    *,
    errors: Sequence[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    report: Mapping[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
) -> JSONResponse:
    """The response for one error."""
    code = code or CODES.get(status, "error")
    content = Problem(
        type=f"{TYPE}{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=scope["path"],
        code=code,
        request_id=request_id_of(scope),
        errors=None if errors is None else list(errors),
        report=None if report is None else dict(report),
        entry=entry,
    ).model_dump(exclude_none=True)
    headers = dict(headers or {})
    if status in (429, 503):
        headers.setdefault("Retry-After", RETRY_AFTER_S)
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(content, status, headers, media_type="application/problem+json")


async def _faq_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.FaqError)  # noqa: S101 - as it was registered
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500 and not isinstance(error, UNLOGGED):
        logger.error("%s: %s", error.code, error)
    details: list[dict[str, Any]] | None = None
    report = None
    if isinstance(error, errors.FileError):
        report = error.report
        details = [
            {**(row.place.fields() if row.place else {}), "field": row.field, "message": row.reason}
            for row in error.rows[:ROWS_SHOWN]
        ]
    elif isinstance(error, errors.BatchRefused):
        details = error.operations
    elif isinstance(error, errors.InputError):
        details = [{"field": error.field, "message": str(error)}]
    headers = {"Location": f"/v1/admin/jobs/{error.job_id}"} if isinstance(error, errors.Busy) and error.job_id else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    entry = error.current if isinstance(error, errors.Stale) else None
    if entry:
        headers["ETag"] = entry["etag"]
    return problem(
        request.scope, status, str(error), error.code, errors=details, headers=headers, report=report, entry=entry
    )


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [{"field": _field(one["loc"]), "message": _message(one)} for one in error.errors()]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return problem(
            request.scope, 422, f"The body is not valid JSON: {found[0]['message']}.", "invalid_json", errors=found
        )
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in found[:5])
    return problem(request.scope, 422, detail, errors=found)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = error.detail
    if error.status_code == 400:  # the framework's word for a body that it could not decode
        if request.headers.get("content-type", "").lower().startswith(FORM):
            return problem(
                request.scope, 422, f"The form cannot be read: {detail.rstrip('.')}.", "invalid_form", errors=[]
            )
        return problem(request.scope, 422, "The body is not valid JSON in UTF-8.", "invalid_json", errors=[])
    if detail == HTTPStatus(error.status_code).phrase:  # the framework's own, which says nothing
        detail = f"{request.method} {request.url.path}: {detail.lower()}."
    return problem(request.scope, error.status_code, detail, headers=dict(error.headers or {}))


class Unexpected:
    """Answers an error that no handler knows with 500, inside all other middleware, so that its response is counted and
    gets an id and headers like every other. (The framework's own handler of `Exception` stands outside them.)"""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Once a response has begun there is nothing left to say: the error goes on, and the server hangs up."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if begun:
                raise
            logger.exception("Unexpected error answering %s", request_id_of(scope))
            await problem(scope, 500, UNEXPECTED, "internal_error")(scope, receive, send)


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it; for the count of requests by status, where 499 is nginx's word for it."""
    return Response(status_code=499)


def _field(location: Sequence[Any]) -> str:
    names = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(names).encode(errors="replace").decode() or "body"  # a key of JSON may hold a lone surrogate


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    return str(error["msg"]).removeprefix("Value error, ")
