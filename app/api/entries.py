"""Admin routes for the entries of the store: list, import, export. A reindex publishes what was imported."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.api.entry import caller_of, reply
from app.api.entry_schemas import EntryList
from app.api.import_schemas import ImportQuery, ImportReply
from app.api.routing import admin_router
from app.api.state import Service
from app.errors import InputError
from app.http import audit
from app.http.problem import documented
from app.imports import worker as import_worker
from app.imports.worker import ImportRequest
from app.knowledge.exports import MEDIA_TYPES, ExportFormat, export
from app.knowledge.listing import Selection, Sort
from app.knowledge.publication import State
from app.knowledge.readers.options import Format, Limits


def _in_utc(at: datetime) -> datetime:
    """The moment in UTC. Raises ValueError at either end of the calendar."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies beyond the calendar") from None


router = admin_router("knowledge", "edit", below="/entries")

FORMATS: dict[str, Format] = {
    "application/jsonl": "json",
    "application/x-ndjson": "json",
    "application/json": "json",
    "text/csv": "table",
    "text/tab-separated-values": "table",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/yaml": "yaml",
    "text/markdown": "markdown",
    "text/html": "html",
}
FORM = "multipart/form-data"
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


@router.get("")
def list_entries(
    service: Service,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str | None, Query(max_length=2000, description="`next_after` of the page before.")] = None,
    search: Annotated[str | None, Query(max_length=1000, description="Text that the entry must hold.")] = None,
    state: Annotated[list[State] | None, Query(description="One of these states; may be repeated.")] = None,
    metadata: Annotated[
        list[str] | None,
        Query(
            max_length=16, description="KEY=VALUE that the metadata must have; may be repeated.", examples=["lang=de"]
        ),
    ] = None,
    updated_from: Annotated[Moment | None, Query(description="Changed at or after this moment.")] = None,
    updated_before: Annotated[Moment | None, Query(description="Changed before this moment.")] = None,
    sort: Annotated[Sort, Query(description="`position` is the order of import; `-` is the reverse.")] = "position",
) -> EntryList:
    """A page of the entries that match, in order."""
    selection = Selection(search, state or (), _metadata(metadata or []), updated_from, updated_before, sort)
    page = service.store.page(limit, after, selection=selection)
    return EntryList(entries=[reply(stored) for stored in page.stored], total=page.total, next_after=page.next_after)


@router.post(
    "/import",
    responses=documented(408, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS},
                FORM: {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}},
            },
        }
    },
)
async def import_entries(request: Request, service: Service, query: Annotated[ImportQuery, Query()]) -> ImportReply:
    """Import a file: all of it, or nothing. `dry_run` reports what would happen to each entry.

    Send the file as the body, with its format as Content-Type, or as the form field `file`, with the format as the
    suffix of its name. A file with bad rows gets 422, which lists each of them; for a dry run the 422 also has the
    `report` of the valid rows.
    """
    async with _upload(request) as (path, name, format):
        options = query.read_options(format, Limits.of(service.settings))
        by = caller_of(request).name
        publish = query.reindex or service.settings.auto_reindex == "all"
        encoding = service.live.encoding()
        wanted = ImportRequest(path, name, options, query.mode, query.match, query.dry_run, *encoding, by, publish)
        report = await import_worker.run(service.store, service.settings.sqlalchemy_url, wanted)
    if not query.dry_run:
        audit.record(request, "import")
        service.updater.notify()
    return ImportReply.model_validate(report, strict=False)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file. CSV is UTF-8 with a byte order mark, and every cell is quoted.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
        }
    },
)
def export_entries(
    request: Request,
    service: Service,
    kind: Annotated[ExportFormat, Query(alias="format", description="The format of the file.")] = "jsonl",
) -> StreamingResponse:
    """Every entry, as a file. Importing it gives the same entries.

    XLSX gets 422 if an entry has more text than a cell of Excel can hold.
    """
    headers = {"Content-Disposition": f'attachment; filename="faq.{kind}"'}
    blocks = export(service.store.entries(), kind)
    audit.record(request, "export")
    return StreamingResponse(blocks, media_type=MEDIA_TYPES[kind], headers=headers)


@asynccontextmanager
async def _upload(request: Request) -> AsyncIterator[tuple[Path, str, Format | None]]:
    """The path of the uploaded file until the block ends, its name, and its format if the Content-Type says it."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in FORMATS and sent != FORM:
        raise HTTPException(415, f"Content-Type is {sent or 'missing'}; send one of {', '.join([*FORMATS, FORM])}.")
    with tempfile.NamedTemporaryFile() as copy:
        name, format = "body", FORMATS.get(sent)
        if sent in FORMATS:
            async for chunk in request.stream():
                copy.write(chunk)
        else:
            async with request.form(max_files=1, max_fields=0) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise InputError("The form has no file in its field `file`.", "file")
                name, format = file.filename or "file", FORMATS.get(file.content_type or "")
                await asyncio.to_thread(shutil.copyfileobj, file.file, copy)
        copy.flush()
        yield Path(copy.name), name, format


def _metadata(texts: list[str]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    if bad := next((pair for pair in pairs if not pair[0] or not pair[1]), None):
        raise InputError(f"`{''.join(bad)}` is not KEY=VALUE, such as lang=de.", "metadata")
    return [(key, value) for key, _, value in pairs]
