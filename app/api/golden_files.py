"""Admin routes that import and export golden questions."""

import asyncio
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.exceptions import HTTPException

from app.api.entry import caller_of
from app.api.golden_schemas import GoldenImport
from app.api.routing import admin_router
from app.api.state import Service
from app.golden.files import FIELDS, MEDIA_TYPES, GoldenFormat, export, read
from app.golden.questions import Added
from app.http import audit
from app.http.problem import documented
from app.knowledge.readers.options import Format, Limits, ReadOptions
from app.knowledge.readers.row_file import RowFile

router = admin_router("golden questions", "edit", "publish", below="/golden")

FORMATS: dict[str, Format] = {
    "application/jsonl": "json",
    "application/x-ndjson": "json",
    "application/json": "json",
    "text/csv": "table",
}
FILE = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/import",
    responses=documented(408, 409, 413, 415),
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(FORMATS, FILE)}},
)
async def import_golden(
    request: Request,
    service: Service,
    dry_run: Annotated[bool, Query(description="Count what the import would do, and change nothing.")] = False,
) -> GoldenImport:
    """Import golden questions: all of the file, or nothing. A question that is golden already is updated.

    A row has `question`, and `faq_id` (null or empty: no entry answers it), `answer` or `label`, as the trainer's
    evaluation files do; `source` and `note` may follow. 422 lists each bad row.
    """
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in FORMATS:
        raise HTTPException(415, f"Content-Type is {sent or 'missing'}; send one of {', '.join(FORMATS)}.")
    options = ReadOptions(FORMATS[sent], limits=Limits.of(service.settings))
    file, by = RowFile("body", await request.body(), options, FIELDS), caller_of(request).name

    def take() -> Added:
        return service.golden.take(read(file, service.golden, service.store.entries), by, dry_run=dry_run)

    added = await asyncio.to_thread(take)
    if not dry_run:
        audit.record(request, "import golden questions")
    return GoldenImport(**added._asdict(), dry_run=dry_run)


@router.get(
    "/export",
    response_class=Response,
    responses={200: {"description": "The file.", "content": dict.fromkeys(MEDIA_TYPES.values(), FILE)}},
)
def export_golden(
    request: Request,
    service: Service,
    kind: Annotated[GoldenFormat, Query(alias="format", description="The format of the file.")] = "jsonl",
) -> Response:
    """Every golden question, as a file that imports again and that `python -m trainer evaluate --queries` reads."""
    text = export(service.golden.all(), kind)
    audit.record(request, "export golden questions")
    headers = {"Content-Disposition": f'attachment; filename="golden.{kind}"'}
    return Response(text, media_type=MEDIA_TYPES[kind], headers=headers)
