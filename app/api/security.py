"""Who may do what: keys with scopes, compared in constant time, known here only by their SHA-256."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

from app.api.limits import check_nesting
from app.settings import Settings

KeyScope = Literal["ask", "admin"]

KEYS = [  # for the OpenAPI document; `guarded` does the checking
    Security(HTTPBearer(auto_error=False, description="An ask or admin key.")),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, where Authorization is taken.")),
]


def new_key() -> tuple[str, str]:
    """A key and its SHA-256 hex digest: the key for the caller, the digest for the settings."""
    key = f"faq_{secrets.token_urlsafe(32)}"
    return key, digest_of(key)


def digest_of(key: str) -> str:
    """What the settings hold of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys that are live. With no ask keys, asking needs none."""

    def __init__(self, settings: Settings, extra_admin: str | None = None) -> None:
        self._admin = (*settings.admin_keys, *([extra_admin] if extra_admin else []))
        self._ask = settings.ask_keys

    def scopes(self, key: str) -> set[KeyScope]:
        """What a key may do; an admin may ask. Every digest is compared, whichever matches."""
        digest = digest_of(key)
        admin = [hmac.compare_digest(digest, known) for known in self._admin]
        ask = [hmac.compare_digest(digest, known) for known in self._ask]
        found: set[KeyScope] = {"ask"} if any(admin) or any(ask) else set()
        return found | {"admin"} if any(admin) else found

    def check(self, key: str | None, scope: KeyScope) -> str | None:
        """The digest of a live key, if there is one. Raises HTTPException: 401 without, 403 if it lacks the scope."""
        if scope == "ask" and not self._ask and key is None:
            return None
        scopes = self.scopes(key) if key is not None else set()
        if not scopes and (scope == "admin" or self._ask):
            what = "This needs a key" if key is None else "This key is not known"
            raise HTTPException(401, f"{what}. Send one as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.")
        if scope == "admin" and "admin" not in scopes:
            raise HTTPException(403, "This key may ask, but not administer. It takes an admin key.")
        return digest_of(key) if key is not None and scopes else None


def guarded(scope: KeyScope, body: str | None = None) -> type[APIRoute]:
    """A route class that checks, in this order: the rate, the key, and where `body` names its type, the body's type and
    nesting. Of a request that is refused nothing more is read."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                await admitted(request, scope, body)
                return await handle(request)

            return check

    return Guarded


async def admitted(request: Request, scope: KeyScope, body: str | None = None) -> None:
    """Check the rate, the key, and where `body` names its type, the body's type and nesting. Raises HTTPException."""
    services = request.state.services
    services.rates.address(request.client.host if request.client else None)
    digest = services.keys.check(_key(request), scope)
    if digest is not None:
        services.rates.key(digest)
    if body:
        await _check_body(request, body)


async def _check_body(request: Request, kind: str) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != kind:
        raise HTTPException(415, f"Content-Type is {sent or 'missing'}; send {kind}.")
    check_nesting(await request.body())


def _key(request: Request) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("x-api-key") or None
