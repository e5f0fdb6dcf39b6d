"""The ask page at `/`, the API's documentation at `/docs`, their assets, and the widget for other pages.

The page calls `POST /v1/ask`; the documentation reads `openapi.json`.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter(include_in_schema=False)

_PAGE, _DOCS = "page.html", "docs.html"
_ASSETS = (
    "page.css",
    "page.js",
    "widget.js",
    "docs.css",
    "docs.js",
    "swagger/swagger-ui.css",
    "swagger/swagger-ui-bundle.js",
)
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the URL holds the question, which links in answers must not reveal
    "Cross-Origin-Opener-Policy": "same-origin",
}
_REVALIDATE = "no-cache"  # the browser caches it and revalidates it before each use
_HOUR = "public, max-age=3600"  # of the script whose address stands in other people's pages
_FOREVER = "public, max-age=31536000, immutable"  # the address contains the hash of the content


@dataclass(frozen=True)
class _File:
    body: bytes
    media_type: str
    digest: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "_File":
        return cls(body, media_type, hashlib.sha256(body).hexdigest()[:16])


@cache
def _assets() -> dict[str, _File]:
    folder = files("app.web")
    return {name: _File.of(folder.joinpath(name).read_bytes(), _TYPES[PurePosixPath(name).suffix]) for name in _ASSETS}


@cache
def _page(name: str) -> _File:
    """A page, with the hash of each asset appended to the asset's address."""
    html = files("app.web").joinpath(name).read_text("utf-8")
    for address, asset in _assets().items():
        html = html.replace(f'"static/{address}"', f'"static/{address}?v={asset.digest}"')
    return _File.of(html.encode(), "text/html; charset=utf-8")


def _reply(request: Request, file: _File, caching: str, **more: str) -> Response:
    etag = f'"{file.digest}"'
    headers = {**_HEADERS, **more, "Cache-Control": caching, "ETag": etag}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in cached or "*" in cached:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The ask page."""
    return _reply(request, _page(_PAGE), _REVALIDATE)


@router.api_route("/widget.js", methods=["GET", "HEAD"])
async def widget(request: Request) -> Response:
    """The script of the widget, for pages of any origin."""
    sharing = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
    return _reply(request, _assets()["widget.js"], _HOUR, **sharing)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """The API's documentation, by Swagger UI; see `swagger/README.md`."""
    return _reply(request, _page(_DOCS), _REVALIDATE)


@router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
async def asset(request: Request, name: str, v: str = "") -> Response:
    """One asset. An address with the hash of another version gets this version's content, to be revalidated.

    During an upgrade, replicas of different versions answer.
    """
    file = _assets().get(name)
    if file is None:
        raise HTTPException(404, f"There is no asset named {name!r}.")
    return _reply(request, file, _FOREVER if v == file.digest else _REVALIDATE)
