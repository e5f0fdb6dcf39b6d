"""API keys: their scopes, and the check of a request's key. Only SHA-256 digests of keys are stored."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

from app import logs
from app.http.rate_limit import network_of
from app.keys import GRANTS, KeyScope, NamedKey
from app.settings import Settings

KEYS = [  # only for the OpenAPI document; `admit` checks the key
    Security(HTTPBearer(auto_error=False, description="A key with the scope that the operation needs.")),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, if Authorization is in use.")),
]


def new_key() -> tuple[str, str]:
    """A key and its SHA-256 hex digest: the key for the caller, the digest for the settings."""
    key = f"faq_{secrets.token_urlsafe(32)}"
    return key, digest_of(key)


def digest_of(key: str) -> str:
    """The SHA-256 hex digest of a key, as the settings store it."""
    return hashlib.sha256(key.encode()).hexdigest()


def with_admin_key(settings: Settings) -> Settings:
    """The settings; where they have no admin key, with a random one, which is printed."""
    if any(key.scope == "admin" for key in settings.named_keys):
        return settings
    key, digest = new_key()
    logs.announce(f"Admin key until this service stops (set FAQ_ADMIN_KEYS for a permanent one): {key}")
    return settings.model_copy(update={"keys": (*settings.keys, NamedKey("temporary", "admin", digest))})


@dataclass(frozen=True)
class Caller:
    """Who sends a request: the name and digest of the key, and what it may do."""

    name: str
    digest: str
    scopes: frozenset[KeyScope]

    def check(self, *scopes: KeyScope) -> None:
        """Raise HTTPException 403, naming the scope that is missing, unless the key has one of `scopes`."""
        if not self.scopes.intersection(scopes):
            needed = " or ".join(f"`{scope}`" for scope in scopes)
            raise HTTPException(403, f"The key `{self.name}` lacks the scope {needed}. Use a key that has it.")


class Keys:
    """The keys that are accepted. Without a key of scope `ask`, anyone may ask."""

    def __init__(self, settings: Settings) -> None:
        self._keys = settings.named_keys
        self._closed = settings.asking_needs_key

    def caller(self, key: str) -> Caller | None:
        """Whose key it is; None for an unknown key. Compares every digest, in constant time.

        A key that is set several times has all its scopes, and the first of its names.
        """
        return self.caller_of(digest_of(key))

    def caller_of(self, digest: str) -> Caller | None:
        """Whose key has this digest; None for an unknown one. Compares every digest, in constant time."""
        matching = [known for known in self._keys if hmac.compare_digest(digest, known.digest)]
        if not matching:
            return None
        return Caller(matching[0].name, digest, frozenset().union(*(GRANTS[known.scope] for known in matching)))

    def check(self, key: str | None, *scopes: KeyScope) -> Caller | None:
        """Who sends a request that needs one of `scopes`. None where asking needs no key, and this one is unknown or
        missing.

        Raises HTTPException: 401 for a missing or unknown key, 403 for a key without the scope.
        """
        caller = self.caller(key) if key is not None else None
        if caller is not None:
            caller.check(*scopes)
        elif self._closed or "ask" not in scopes:
            problem = "This request needs a key" if key is None else "This key is not known"
            raise HTTPException(401, f"{problem}. Send a key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.")
        return caller


def guarded(*scopes: KeyScope) -> type[APIRoute]:
    """A route class that checks the rate and the key of a request before it reads anything else of it.

    The key needs one of `scopes`.
    """

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check(request: Request) -> Response:
                admit(request, *scopes)
                return await handle(request)

            return check

    return Guarded


def admit(request: Request, *scopes: KeyScope) -> None:
    """Check the rate of the client's address, the key, and the rate of the key; keep the caller in the request's state.

    `request.state.client` is then the digest of the key, or the client's network where no key was needed.
    Raises RateLimited, and HTTPException 401 or 403 as `Keys.check` does.
    """
    services = request.state.services
    host = request.client.host if request.client else None
    services.rates.address(host)
    caller: Caller | None = services.keys.check(_key(request), *scopes)
    request.state.caller = caller
    if caller is not None:
        services.rates.key(caller.digest)
    request.state.client = caller.digest if caller else network_of(host) if host else ""


def admit_without_key(request: Request) -> None:
    """As `admit` for the scope `ask`, but a request without a key passes: it carries a proof of another kind."""
    if _key(request) is not None:
        admit(request, "ask")
        return
    request.state.services.rates.address(request.client.host if request.client else None)
    request.state.caller = None


def _key(request: Request) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("x-api-key") or None
