"""API keys: their scopes, and the check of a request's key. Only SHA-256 digests of keys are stored."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

from app.settings import Settings

KeyScope = Literal["ask", "admin"]

KEYS = [  # only for the OpenAPI document; `admit` checks the key
    Security(HTTPBearer(auto_error=False, description="An ask or admin key.")),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, if Authorization is in use.")),
]


def new_key() -> tuple[str, str]:
    """A key and its SHA-256 hex digest: the key for the caller, the digest for the settings."""
    key = f"faq_{secrets.token_urlsafe(32)}"
    return key, digest_of(key)


def digest_of(key: str) -> str:
    """The SHA-256 hex digest of a key, as the settings store it."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys that are accepted. Without ask keys, anyone may ask."""

    def __init__(self, settings: Settings, extra_admin: str | None = None) -> None:
        self._admin = (*settings.admin_keys, *([extra_admin] if extra_admin else []))
        self._ask = settings.ask_keys

    def scopes(self, key: str) -> set[KeyScope]:
        """The scopes of a key; `admin` includes `ask`. Compares every digest, in constant time."""
        digest = digest_of(key)
        admin = [hmac.compare_digest(digest, known) for known in self._admin]
        ask = [hmac.compare_digest(digest, known) for known in self._ask]
        if any(admin):
            return {"ask", "admin"}
        return {"ask"} if any(ask) else set()

    def check(self, key: str | None, scope: KeyScope) -> str | None:
        """The digest of an accepted key, or None where asking needs no key and this one is unknown or missing.

        Raises HTTPException: 401 for a missing or unknown key, 403 for a key without the scope.
        """
        if scope == "ask" and not self._ask and key is None:
            return None
        scopes = self.scopes(key) if key is not None else set()
        if not scopes and (scope == "admin" or self._ask):
            problem = "This request needs a key" if key is None else "This key is not known"
            raise HTTPException(401, f"{problem}. Send a key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.")
        if scope == "admin" and "admin" not in scopes:
            raise HTTPException(403, "This key may ask, but not administer. Use an admin key.")
        return digest_of(key) if key is not None and scopes else None


def guarded(scope: KeyScope) -> type[APIRoute]:
    """A route class that checks the rate and the key of a request before it reads anything else of it."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                admit(request, scope)
                return await handle(request)

            return check

    return Guarded


def admit(request: Request, scope: KeyScope) -> None:
    """Check the rate of the client's address, the key, and the rate of the key.

    Raises RateLimited, and HTTPException 401 or 403 as `Keys.check` does.
    """
    services = request.state.services
    services.rates.address(request.client.host if request.client else None)
    digest = services.keys.check(_key(request), scope)
    if digest is not None:
        services.rates.key(digest)


def _key(request: Request) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("x-api-key") or None
