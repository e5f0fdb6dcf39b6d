"""What a failed call to a Qdrant server means, and how it is said."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from app.errors import IndexUnavailable, NotFound

_SHOWN = 200  # characters of a reason; the client quotes the whole of a reply that it cannot parse
_TOO_BUSY, _TIMED_OUT = 429, 408


def is_failure(error: Exception) -> bool:
    """Whether the server is unreachable or failing, rather than the request wrong."""
    if isinstance(error, UnexpectedResponse):
        return (error.status_code or 0) >= 500
    return isinstance(error, (ResponseHandlingException, ResourceExhaustedResponse, OSError))


def passes(error: Exception) -> bool:
    """Whether the same call may succeed later: the server is away, failing or too busy."""
    if isinstance(error, UnexpectedResponse) and error.status_code in (_TIMED_OUT, _TOO_BUSY):
        return True
    return is_failure(error) or isinstance(error, IndexUnavailable)  # the latter from an open circuit breaker


def not_sent(error: Exception) -> bool:
    """Whether a call failed before the server received it, so that another node may be asked whatever it does."""
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return isinstance(error, IndexUnavailable)  # from an open circuit breaker


def is_missing(error: Exception) -> bool:
    """Whether the server says that there is no such collection."""
    return isinstance(error, UnexpectedResponse) and error.status_code == 404


def is_present(error: Exception) -> bool:
    """Whether the server says that there is such a collection already."""
    return isinstance(error, UnexpectedResponse) and error.status_code == 409


def reason_of(error: Exception) -> str:
    """The reason for an error, in one line that is never empty: several of the client's errors have no message."""
    if isinstance(error, UnexpectedResponse):
        return _shortened(f"{error.status_code} {error.reason_phrase}".strip() + _said(error))
    source = error.source if isinstance(error, ResponseHandlingException) else error
    if isinstance(source, httpx.TimeoutException):
        return "no answer in time"
    return _shortened(str(source)) or type(source).__name__


def _said(error: UnexpectedResponse) -> str:
    """What the body of a refusal says, after a colon, or nothing."""
    try:
        return f": {error.structured()['status']['error']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _shortened(text: str) -> str:
    return text.strip().partition("\n")[0][:_SHOWN]


@contextmanager
def qdrant(what: str, missing: type[NotFound] | type[IndexUnavailable] = NotFound) -> Iterator[None]:
    """Raises IndexUnavailable, naming `what`, for the client's errors, and `missing` for a missing collection."""
    try:
        yield
    except UnexpectedResponse as error:
        if is_missing(error):
            raise missing(f"Qdrant has no collection {what}.") from error
        raise IndexUnavailable(f"Qdrant refused a request for {what}: {reason_of(error)}") from error
    except (ApiException, QdrantException, OSError, ValueError) as error:
        raise IndexUnavailable(f"Qdrant cannot be used for {what}: {reason_of(error)}") from error
