"""Turns errors into RFC 9457 problem details. Only this module knows the HTTP status of each error."""

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
from starlette.types import Scope

from app import errors
from app.http.refusals import Refusals
from app.http.request_id import request_id_of

logger = logging.getLogger(__name__)

TYPE = "urn:faqtual:error:"  # followed by the code; docs/errors.md explains each
RETRY_AFTER_S = "2"
ROWS_SHOWN = 1000
FORM = "multipart/form-data"
UNEXPECTED = "An unexpected error occurred. Look for this request_id in the service's log."

STATUS: dict[type[errors.FaqError], int] = {
    errors.InputError: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.NotReady: 503,
    errors.BundleError: 503,
    errors.BundleStoreError: 503,
    errors.IndexUnavailable: 503,
    errors.StoreError: 503,
    errors.Overloaded: 429,
    errors.DeadlineExceeded: 504,
    errors.SettingsError: 500,
}

UNLOGGED = (errors.NotReady, errors.DeadlineExceeded)  # readiness probes cause the first; metrics count the second

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
    """Problem details of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable: programs can rely on it.")
    request_id: str
    errors: list[dict[str, Any]] | None = Field(
        None, description="Each invalid field, row or operation, and the reason."
    )
    report: dict[str, Any] | None = Field(
        None, description="With 422 to a dry run of an import: what the import would do with the valid rows."
    )
    entry: dict[str, Any] | None = Field(None, description="With 412: the entry as it is now, with its `etag`.")


def install(app: FastAPI) -> None:
    """Prepare `app` for `response_to`, and describe problems in its OpenAPI document."""
    app.state.refusals = Refusals()
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a route: these statuses, each with the schema of a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}


def response_to(request: Request, error: Exception) -> Response:
    """The response to a request that raised `error`: a problem. An error without a status is logged, and answered 500.

    A client that has disconnected gets 499, which nginx uses too; it is only for the metrics.
    """
    match error:
        case errors.FaqError():
            return _faq_error(request, error)
        case RequestValidationError():
            return _validation_error(request, error)
        case HTTPException():
            return _http_error(request, error)
        case ClientDisconnect():
            return Response(status_code=499)
    logger.error("Unexpected error answering %s", request_id_of(request.scope), exc_info=error)
    return problem(request.scope, 500, UNEXPECTED, "internal_error")


def status_of(error: errors.FaqError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


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


def _faq_error(request: Request, error: errors.FaqError) -> JSONResponse:
    status = status_of(error)
    if status >= 500 and not isinstance(error, UNLOGGED):
        request.app.state.refusals.add(error.code, str(error))
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


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    fields = [{"field": _field(details["loc"]), "message": _message(details)} for details in error.errors()]
    if any(details["type"] == "json_invalid" for details in error.errors()):
        detail = f"The body is not valid JSON: {fields[0]['message']}."
        return problem(request.scope, 422, detail, "invalid_json", errors=fields)
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in fields[:5])
    return problem(request.scope, 422, detail, errors=fields)


def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    detail = error.detail
    if error.status_code == 400:  # from the framework, for a body that it cannot decode
        if request.headers.get("content-type", "").lower().startswith(FORM):
            detail = f"The form cannot be read: {detail.rstrip('.')}."
            return problem(request.scope, 422, detail, "invalid_form", errors=[])
        return problem(request.scope, 422, "The body is not valid JSON in UTF-8.", "invalid_json", errors=[])
    if detail == HTTPStatus(error.status_code).phrase:  # the framework's default, without a reason
        detail = f"{request.method} {request.url.path}: {detail.lower()}."
    headers = dict(error.headers or {})
    path = getattr(request.scope.get("route"), "path", request.url.path)  # a route of that path, with its parameters
    if error.status_code == 405 and (operations := request.app.openapi()["paths"].get(path)):
        headers["Allow"] = ", ".join(sorted(map(str.upper, operations)))  # the framework's is of one route of the path
    return problem(request.scope, error.status_code, detail, headers=headers)


def _field(location: Sequence[Any]) -> str:
    names = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(names).encode(errors="replace").decode() or "body"  # a key of JSON may hold a lone surrogate


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    return str(error["msg"]).removeprefix("Value error, ")
