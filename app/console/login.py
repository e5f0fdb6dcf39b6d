"""Signing in with a key, signing out, and the static files."""

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response

from app.console.guard import check_origin, failed, guarded
from app.console.page import HEADERS, asset_version, bare, moved, rooms_of
from app.console.parts import parts_of, sessions_of
from app.console.texts import texts
from app.http import audit

open_router = APIRouter(prefix="/console", include_in_schema=False)
router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("ask"))

STATIC = {
    "console.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "import.js": "text/javascript; charset=utf-8",
    "editor.js": "text/javascript; charset=utf-8",
    "htmx/htmx.min.js": "text/javascript; charset=utf-8",
}
FOREVER = "public, max-age=31536000, immutable"  # the address holds the hash of the content


@open_router.get("/login")
async def show_login(next: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """The form to sign in."""
    return bare("login.html", next=next, problem=None)


@open_router.post("/login")
async def sign_in(request: Request) -> Response:
    """Sign in with a key."""
    request.state.caller = None
    parts = parts_of(request)
    check_origin(request)
    parts.rates.address(request.client.host if request.client else None)
    form = await request.form(max_files=0, max_fields=10)
    key, wanted = str(form.get("key", "")).strip(), str(form.get("next", ""))
    caller = parts.keys.caller(key) if key else None
    if caller is None:
        return bare("login.html", 401, next=wanted, problem=texts().login.unknown if key else texts().login.missing)
    request.state.caller = caller
    audit.record(request, "sign_in")
    response = moved(request, _inside(wanted) or rooms_of(caller)[0])
    sessions_of(request).begin(request, response, caller.digest)
    return response


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """Sign out."""
    response = moved(request, "login")
    sessions_of(request).end(request, response)
    return response


@open_router.get("/static/{name:path}")
async def static(request: Request, name: str, v: str = "") -> Response:
    """One static file."""
    if name not in STATIC:
        request.state.caller = None
        return failed(request, 404, texts().errors.no_page)
    body = files("app.console").joinpath("static", *PurePosixPath(name).parts).read_bytes()
    caching = FOREVER if v == asset_version(name) else "no-cache"
    return Response(body, media_type=STATIC[name], headers={**HEADERS, "Cache-Control": caching})


@open_router.get("")
async def home() -> Response:
    """The first page."""
    return Response(status_code=303, headers={**HEADERS, "Location": "console/start"})


@router.get("/start")
async def start(request: Request) -> Response:
    """The first page that the person may see."""
    return moved(request, rooms_of(request.state.caller)[0])


def _inside(wanted: str) -> str | None:
    """The address where it is one of a page of the console; None for any other, which could lead to another site."""
    parts = urlsplit(wanted)
    inside = not parts.scheme and not parts.netloc and "/" not in parts.path and "\\" not in wanted
    return wanted if wanted and inside and wanted.isprintable() else None
