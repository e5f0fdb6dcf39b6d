"""Request ids: the service gives each request its own id, and echoes the caller's X-Request-ID.

The response has the caller's own id if it sent an acceptable one, and the service's otherwise.
"""

import re
import secrets

from starlette.types import Scope

HEADER = "X-Request-ID"
ID_HEADER = HEADER.lower().encode()  # as ASGI has it
_ACCEPTABLE = re.compile(rb"[\x21-\x7e]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The service's id of the request with this ASGI scope."""
    return str(scope.get("state", {}).get("request_id") or new_id())


def new_id() -> str:
    """A new id: 16 random bytes in hex."""
    return secrets.token_hex(16)


def acceptable(sent: bytes) -> str | None:
    """A caller's X-Request-ID; None where it is missing or not 1 to 128 printable ASCII characters."""
    return sent.decode() if _ACCEPTABLE.fullmatch(sent) else None
