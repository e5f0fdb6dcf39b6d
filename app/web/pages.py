"""The ask page at `/`, the API's documentation at `/docs`, their assets, and the widget for other pages.

The page calls `POST /v1/ask`; the documentation reads `openapi.json`.
"""

from fastapi import APIRouter, HTTPException, Request, Response

from app.web.site import LOGOS, File, Site

router = APIRouter(include_in_schema=False)

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
_IMAGE = {  # a drawing is never a page: whoever opens its address runs nothing of it
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
}


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _reply(request: Request, file: File, caching: str, **more: str) -> Response:
    etag = f'"{file.digest}"'
    headers = {**_HEADERS, **more, "Cache-Control": caching, "ETag": etag}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in cached or "*" in cached:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The ask page."""
    return _reply(request, _site(request).page, _REVALIDATE)


@router.api_route("/widget.js", methods=["GET", "HEAD"])
async def widget(request: Request) -> Response:
    """The script of the widget, for pages of any origin."""
    sharing = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
    return _reply(request, _site(request).assets["widget.js"], _HOUR, **sharing)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """The API's documentation, by Swagger UI; see `swagger/README.md`."""
    return _reply(request, _site(request).docs, _REVALIDATE)


@router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
async def asset(request: Request, name: str, v: str = "") -> Response:
    """One asset. An address with the hash of another version gets this version's content, to be revalidated.

    During an upgrade, replicas of different versions answer.
    """
    site = _site(request)
    file = site.assets.get(name)
    if file is None:
        raise HTTPException(404, f"There is no asset named {name!r}.")
    headers = _IMAGE if file.media_type in LOGOS.values() else {}
    return _reply(request, file, _FOREVER if v == site.version else _REVALIDATE, **headers)
