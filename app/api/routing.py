"""What all admin routers have in common."""

from fastapi import APIRouter

from app.http.problem import documented
from app.http.security import KEYS, guarded
from app.keys import KeyScope


def admin_router(tag: str, *scopes: KeyScope, below: str = "", also: tuple[int, ...] = ()) -> APIRouter:
    """A router of routes at /v1/admin + `below`, which need a key with one of the scopes.

    `tag`: under which the documentation lists them. `also`: further statuses that each of them may send.
    """
    return APIRouter(
        prefix=f"/v1/admin{below}",
        tags=[tag],
        route_class=guarded(*scopes),
        dependencies=KEYS,
        responses=documented(401, 403, 422, 429, 500, 503, *also),
    )
