"""Single entries over HTTP: add, read, change, archive, restore, erase. A change of a
live entry answers within seconds, unless FAQ_AUTO_REINDEX is `off`."""

import asyncio
from contextlib import suppress
from typing import Annotated
from urllib.parse import quote

from anyio import from_thread
from fastapi import Header, Query, Request, Response
from starlette.exceptions import HTTPException

from app.api.entry_schemas import (
    DifferenceReply,
    EntryBody,
    EntryChanges,
    EntryId,
    EntryReply,
    HistoryReply,
    PurgeReply,
    SavedEntry,
    VersionReply,
)
from app.api.lint import warnings_about
from app.api.routing import admin_router
from app.api.state import Service, Services
from app.errors import Busy
from app.http import audit
from app.http.problem import documented
from app.http.security import Caller
from app.knowledge.history import Version
from app.knowledge.stored import Stored
from app.releases.erasing import forget_vectors
from app.releases.turns import UPDATE

router = admin_router("knowledge", "edit")

Id = Annotated[EntryId, Query(max_length=200, description="Id of the entry.", examples=["refund"])]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The entity tag (`ETag`, `etag`) of the version that is to be changed; `*`: of any.",
        examples=["*"],
    ),
]
CHANGES = documented(404, 412, 413, 428)


@router.post("/entries", status_code=201, responses=documented(409, 413))
def create_entry(body: EntryBody, request: Request, response: Response, service: Service) -> SavedEntry:
    """Add an entry. `Location` and `ETag` are those of the new entry."""
    entry = body.entry()
    with service.store.edit(caller_of(request).name) as editor:
        stored = editor.create(entry)
    service.updater.notify()
    audit.record(request, "create", entry.id)
    response.headers["Location"] = f"/v1/admin/entry?id={quote(entry.id, safe='')}"
    return saved(service, stored, response)


@router.get("/entry", responses=documented(404))
def get_entry(id: Id, response: Response, service: Service) -> EntryReply:
    """One entry."""
    return reply(service.store.stored(id), response)


@router.put("/entry", responses=CHANGES)
def replace_entry(
    id: Id, body: EntryBody, request: Request, response: Response, service: Service, if_match: IfMatch = None
) -> SavedEntry:
    """Replace an entry whole. 412 where it was changed in the meantime, with the entry as it is now."""
    tags, entry = _tags(if_match), body.entry(id)
    with service.store.edit(caller_of(request).name) as editor:
        stored = editor.change(id, lambda _: entry, tags)
    service.updater.notify()
    audit.record(request, "replace", id)
    return saved(service, stored, response)


@router.patch("/entry", responses=CHANGES)
def update_entry(
    id: Id, body: EntryChanges, request: Request, response: Response, service: Service, if_match: IfMatch = None
) -> SavedEntry:
    """Change fields of an entry; the others stay. 412 where it was changed in the meantime."""
    tags = _tags(if_match)
    with service.store.edit(caller_of(request).name) as editor:
        stored = editor.change(id, body.changed, tags)
    service.updater.notify()
    audit.record(request, "update", id)
    return saved(service, stored, response)


@router.delete("/entry", responses=CHANGES)
async def delete_entry(
    id: Id,
    request: Request,
    response: Response,
    service: Service,
    purge: Annotated[bool, Query(description="Erase the entry and its history; needs the scope `admin`.")] = False,
    if_match: IfMatch = None,
) -> EntryReply | PurgeReply:
    """Archive an entry; a `PATCH` of its state or its history brings it back. With `purge` erase it for good.

    An erased entry leaves the answers at once: a whole release of the store is built, and every other release that
    holds the entry's text is deleted."""
    caller, tags = caller_of(request), _tags(if_match)
    if purge:
        caller.check("admin")

    def delete() -> Stored | None:
        with service.store.edit(caller.name) as editor:
            if not purge:
                return editor.archive(id, tags)
            forget_vectors(service.catalog.vectors, editor.purge(id, tags))
            return None

    stored = await asyncio.to_thread(delete)
    service.updater.notify()
    audit.record(request, "purge" if purge else "archive", id)
    if stored is None:
        if service.updater.mode == "off" and service.live.release:
            with suppress(Busy):  # the next update or reindex erases it
                await service.worker.start(UPDATE)
        return PurgeReply(id=id, purged=True, releases=await service.catalog.holding(id))
    return reply(stored, response)


@router.get("/entry/history", responses=documented(404))
def get_history(
    id: Id,
    service: Service,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**31, description="`next_before` of the page before.")] = None,
) -> HistoryReply:
    """Who changed an entry, when, and what: the versions that are kept, newest first."""
    versions = service.store.versions(id)
    older = [version for version in versions if before is None or version.version < before]
    return HistoryReply(
        id=id,
        versions=[_version(version) for version in older[:limit]],
        total=len(versions),
        next_before=older[limit - 1].version if len(older) > limit else None,
    )


@router.post("/entry/restore", responses=CHANGES)
def restore_entry(
    id: Id,
    request: Request,
    response: Response,
    service: Service,
    version: Annotated[int, Query(ge=1, le=2**31, description="The version whose content the entry gets.")],
    if_match: IfMatch = None,
) -> SavedEntry:
    """Give an entry the content of an earlier version, as a new version. An entry that an import removed is added
    again; for it send `If-Match: *`."""
    tags = _tags(if_match)
    with service.store.edit(caller_of(request).name) as editor:
        stored = editor.restore(id, version, tags)
    service.updater.notify()
    audit.record(request, "restore", id)
    return saved(service, stored, response)


def caller_of(request: Request) -> Caller:
    """Who sends the request, which `guarded` has checked."""
    caller: Caller = request.state.caller
    return caller


def reply(stored: Stored, response: Response | None = None) -> EntryReply:
    """The entry for the client, and its entity tag in the header."""
    if response is not None:
        response.headers["ETag"] = stored.etag
    return EntryReply.model_validate(stored.document())


def saved(service: Services, stored: Stored, response: Response) -> SavedEntry:
    """The entry that a route in a thread has saved, with its entity tag in the header and with warnings about it."""
    warnings = from_thread.run(warnings_about, service, [stored.entry])
    response.headers["ETag"] = stored.etag
    return SavedEntry(**reply(stored).model_dump(), warnings=warnings[stored.entry.id])


def _tags(if_match: str | None) -> frozenset[str]:
    """The entity tags of the header. Raises HTTPException 428 where it is missing."""
    tags = frozenset(tag.strip() for tag in (if_match or "").split(",") if tag.strip())
    if not tags:
        message = "A change needs If-Match with the `etag` of the entry that you read, so that no other change is lost."
        raise HTTPException(428, message)
    return tags


def _version(version: Version) -> VersionReply:
    return VersionReply(
        version=version.version,
        act=version.act,
        by=version.by,
        at=version.at.isoformat(),
        differences=[DifferenceReply(field=d.field, before=d.before, after=d.after) for d in version.differences],
    )
