"""Renders the templates: every page and every part of one, with the headers that they need."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.console.charts import bar_chart, share_bar
from app.console.diffs import word_diff
from app.console.parts import sessions_of
from app.console.texts import ago, counted, percent, stamp, texts
from app.http.security import Caller
from app.text.markup import to_html

HTMX = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "attributesToSettle": ["class"],  # not `style`, which the content security policy refuses
    "historyCacheSize": 0,  # pages hold texts that should not lie in the browser's storage
    "refreshOnHistoryMiss": True,
    "responseHandling": [{"code": "204", "swap": False}, {"code": "...", "swap": True}],  # errors are shown too
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # `no-referrer` would empty the Origin of forms, which is checked
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "HX-Request",
}


@dataclass(frozen=True)
class Room:
    """A place in the navigation, and the scopes of which it needs one."""

    name: str
    scopes: tuple[str, ...]


ROOMS = (
    Room("today", ("edit", "publish")),
    Room("unanswered", ("edit",)),
    Room("entries", ("edit",)),
    Room("golden", ("edit", "publish")),
    Room("try", ("ask",)),
    Room("releases", ("edit", "publish")),
    Room("import", ("edit",)),
)


def rooms_of(caller: Caller) -> list[str]:
    """The names of the places that a person may go to."""
    return [room.name for room in ROOMS if caller.scopes.intersection(room.scopes)]


def page(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A whole page for a signed-in person; it shows the message that the page before left."""
    caller: Caller = request.state.caller
    frame = {
        "caller": caller,
        "rooms": rooms_of(caller),
        "may_edit": "edit" in caller.scopes,
        "may_publish": "publish" in caller.scopes,
        "csrf": request.state.csrf,
        "is_part": False,
        "flash": sessions_of(request).left(request),
    }
    response = bare(template, status, **{**frame, **values})
    sessions_of(request).take(request, response)
    return response


def part(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A part of a page, which htmx puts in its place."""
    scopes = request.state.caller.scopes
    frame = {
        "may_edit": "edit" in scopes,
        "may_publish": "publish" in scopes,
        "csrf": request.state.csrf,
        "is_part": True,
        "flash": None,
    }
    return bare(template, status, **{**frame, **values})


def bare(template: str, status: int = 200, **values: object) -> Response:
    """A template for anyone."""
    return HTMLResponse(_environment().get_template(template).render(values), status, HEADERS)


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of a page, and not the browser for a page."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"


def moved(request: Request, address: str, flash: Mapping[str, Any] | None = None) -> Response:
    """Sends the browser to another page of the console, with a message for it."""
    if is_part(request):
        response = Response(status_code=204, headers={**HEADERS, "HX-Redirect": address})
    else:
        response = Response(status_code=303, headers={**HEADERS, "Location": address})
    if flash:
        sessions_of(request).leave(request, response, dict(flash))
    return response


@cache
def asset_version(name: str) -> str:
    """The beginning of the hash of a static file, for its address."""
    return hashlib.sha256(files("app.console").joinpath("static", name).read_bytes()).hexdigest()[:16]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        t=texts(),
        asset=lambda name: f"static/{name}?v={asset_version(name)}",
        htmx=json.dumps(HTMX),
        share_bar=share_bar,
    )
    environment.filters.update(
        ago=ago,
        moment=lambda seconds: datetime.fromtimestamp(seconds, UTC),
        stamp=stamp,
        percent=percent,
        counted=counted,
        markup=to_html,
        word_diff=word_diff,
        bar_chart=bar_chart,
        q=partial(quote, safe=""),
    )
    return environment
