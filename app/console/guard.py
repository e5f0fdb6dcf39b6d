"""Who may enter: the session, the scopes and the form's token of every request, and errors as pages."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.console.flash import Flash
from app.console.page import bare, is_part, moved, page
from app.console.parts import parts_of, sessions_of
from app.console.texts import texts
from app.errors import FaqError
from app.http.problem import UNEXPECTED, status_of
from app.http.request_id import request_id_of
from app.keys import KeyScope

MAX_FIELDS = 5_000  # of a form; an entry may have a thousand phrasings
MAX_PART_BYTES = 1024 * 1024
logger = logging.getLogger(__name__)


class SignInNeeded(Exception):
    """Nobody is signed in, or the session has ended."""


def guarded(*scopes: KeyScope) -> type[APIRoute]:
    """A route class for signed-in people whose key has one of `scopes`; its errors are pages."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                try:
                    await enter(request, *scopes)
                    return await handle(request)
                except SignInNeeded:
                    return moved(request, _sign_in(request))
                except ClientDisconnect:
                    raise  # nobody reads a page about it
                except Exception as error:
                    return _failed(request, error)
                finally:
                    await request.close()  # and with it the files of a form

            return check

    return Guarded


async def enter(request: Request, *scopes: KeyScope) -> None:
    """Keep the caller in the request's state. Raises SignInNeeded, RateLimited, HTTPException 403."""
    request.state.caller = None
    parts, session = parts_of(request), sessions_of(request).of_request(request)
    caller = parts.keys.caller_of(session.digest) if session else None
    if session is None or caller is None:
        raise SignInNeeded
    request.state.caller, request.state.csrf = caller, session.csrf
    parts.rates.key(caller.digest)
    caller.check(*scopes)
    if request.method not in ("GET", "HEAD"):
        await check_form(request, session.csrf)


async def check_form(request: Request, token: str) -> None:
    """Parse the form and check that this site's own page sent it. Raises HTTPException 403 and 400."""
    check_origin(request)
    form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_PART_BYTES)
    if (request.headers.get("x-csrf-token") or form.get("csrf")) != token:
        raise HTTPException(403, texts().errors.forged)


def check_origin(request: Request) -> None:
    """Raise HTTPException 403 where another site sent the request."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.url.netloc:
        raise HTTPException(403, texts().errors.other_site)


def failed(request: Request, status: int, message: str) -> Response:
    """An error as a page, or as a message where htmx asked for a part of one."""
    if is_part(request):
        response = bare("message.html", status, flash=Flash("error", message).as_dict())
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#flash", "innerHTML"
        return response
    if request.state.caller is None:
        return bare("error.html", status, message=message, code=status, framed=False)
    return page(request, "error.html", status, message=message, code=status, framed=True, here=None)


def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, FaqError):
        return failed(request, status_of(error), str(error))
    if isinstance(error, HTTPException):
        return failed(request, error.status_code, error.detail)
    if isinstance(error, RequestValidationError):
        return failed(request, 422, texts().errors.parameters)
    logger.exception("Unexpected error answering %s", request_id_of(request.scope))
    return failed(request, 500, UNEXPECTED)


def _sign_in(request: Request) -> str:
    """The address of the form to sign in, which leads back to where the person wanted to go."""
    if request.method != "GET" or is_part(request):
        return "login"
    wanted = request.url.path.rsplit("/", 1)[1] + (f"?{request.url.query}" if request.url.query else "")
    return f"login?next={quote(wanted, safe='')}"
