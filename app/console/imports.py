"""Import a file: drop it, see what it would change, then import it. The browser keeps the file in between."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from app.console.guard import guarded
from app.console.page import is_part, page, part
from app.console.parts import Form, Parts, Service
from app.console.texts import counted, texts
from app.errors import FileError, InputError, RowError
from app.http import audit
from app.imports import worker
from app.imports.worker import ImportRequest
from app.knowledge.intake import Match, Mode
from app.knowledge.readers.options import Limits, ReadOptions, mapping_of

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
LISTED = 100  # entries, warnings and bad rows of each kind that the page shows
KINDS = ("added", "updated", "removed", "orphaned")


@dataclass(frozen=True)
class Result:
    """The outcome for the page. `problem`: why nothing was changed; `report`: what was done, or would be."""

    problem: str | None
    rows: Sequence[RowError] = ()
    report: Mapping[str, Any] | None = None
    name: str = ""

    @property
    def imported(self) -> bool:
        """Whether entries were changed."""
        return self.problem is None and self.report is not None and not self.report["dry_run"]


@router.get("/import")
def show_import(request: Request) -> Response:
    """The form."""
    return page(request, "import.html", here="import", result=None, listed=LISTED, kinds=KINDS)


@router.post("/import")
async def import_file(request: Request, service: Service, form: Form) -> Response:
    """Check a file, or import it; the result is shown below the form."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return await run_in_threadpool(_show, request, Result(texts().imports.no_file))
    with NamedTemporaryFile() as copy:
        await run_in_threadpool(shutil.copyfileobj, file.file, copy)
        copy.flush()
        try:
            result = await _run(service, _wanted(request, service, form, Path(copy.name), file.filename))
        except InputError as error:
            result = Result(str(error), name=file.filename)
    if result.imported:
        audit.record(request, "import")
    return await run_in_threadpool(_show, request, result)


def _wanted(request: Request, service: Parts, form: FormData, path: Path, name: str) -> ImportRequest:
    options = ReadOptions(
        sheet=str(form.get("sheet", "")).strip() or None,
        mapping=_mapping(str(form.get("mapping", ""))),
        allow_multiline="allow_multiline" in form,
        fix_mojibake="fix_mojibake" in form,
        limits=Limits.of(service.settings),
    )
    mode: Mode = "replace" if form.get("mode") == "replace" else "append"
    match: Match = "question" if form.get("match") == "question" else "id"
    dry_run = form.get("act") != "import"
    by = request.state.caller.name
    publish = service.settings.auto_reindex == "all"
    return ImportRequest(path, name, options, mode, match, dry_run, *service.live.encoding(), by, publish)


def _mapping(lines: str) -> dict[str, str]:
    try:
        return mapping_of([line for line in lines.splitlines() if line.strip()])
    except ValueError as error:
        raise InputError(f"{error}.", "mapping") from None


async def _run(service: Parts, wanted: ImportRequest) -> Result:
    try:
        report = await worker.run(service.store, service.settings.sqlalchemy_url, wanted)
    except FileError as error:
        said = counted(len(error.rows), texts().imports.bad_rows)
        return Result(said, error.rows, error.report, wanted.name)
    return Result(None, (), report, wanted.name)


def _show(request: Request, result: Result) -> Response:
    status = 422 if result.problem else 200
    if is_part(request):
        return part(request, "import_result.html", status, result=result, listed=LISTED, kinds=KINDS)
    return page(request, "import.html", status, here="import", result=result, listed=LISTED, kinds=KINDS)
