"""The console at `/console`, where people keep the FAQ: all its routes."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from app.console import comparing, editor, effect, entries, golden, imports, login, releases, today, trying, unanswered
from app.console.guard import guarded
from app.console.texts import texts

_unknown = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("ask"))


@_unknown.api_route("/{path:path}", methods=["GET", "HEAD"])
async def unknown(request: Request, path: str) -> None:
    """Any other address. Raises HTTPException 404."""
    raise HTTPException(404, texts().errors.no_page)


ROUTERS = (
    login.open_router,
    login.router,
    today.router,
    entries.router,
    editor.router,
    effect.router,
    trying.router,
    trying.editing,
    unanswered.router,
    golden.router,
    releases.router,
    comparing.router,
    releases.publishing,
    imports.router,
    _unknown,
)
