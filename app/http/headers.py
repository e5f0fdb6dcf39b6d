"""Security headers of every response. A route may set its own values, as the pages do."""

from collections.abc import Iterable

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Header = tuple[bytes, bytes]  # as in ASGI: the name in lower case, and the value

_EVERYWHERE = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
_OF_THE_API = {**_EVERYWHERE, b"cache-control": b"no-store"}


def completed(headers: Iterable[Header], path: str) -> list[Header]:
    """The headers of a response with those that it lacks; those of the API also get `Cache-Control: no-store`."""
    given = dict(headers)
    defaults = _OF_THE_API if path.startswith("/v1/") else _EVERYWHERE
    return [*headers, *(item for item in defaults.items() if item[0] not in given)]
