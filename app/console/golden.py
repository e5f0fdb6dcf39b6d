"""Golden questions: the list, adding, changing and deleting them, files, and the history of their runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import FormData, UploadFile

from app.console.flash import Flash
from app.console.guard import guarded
from app.console.page import HEADERS, is_part, moved, page, part
from app.console.parts import Form, Parts, Service
from app.console.texts import counted, texts
from app.errors import Conflict, FaqError, InputError
from app.golden.files import FIELDS, MEDIA_TYPES, export, golden_format, read
from app.golden.judging import Missed, lines_of
from app.golden.questions import MANUAL, NOTE_LENGTH, Golden, NewQuestion
from app.golden.runs import Run
from app.http import audit
from app.http.problem import status_of
from app.knowledge.readers.options import Format, Limits, ReadOptions
from app.knowledge.readers.row_file import RowFile
from app.text.limits import QUESTION_LENGTH, clean, clean_required

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))
LARGEST = 2**31 - 1
PAGE, RUNS = 50, 10
READ_AS: dict[str, Format] = {"jsonl": "json", "csv": "table"}
Search = Annotated[str, Query(max_length=1000)]


@router.get("/golden")
def show_golden(
    request: Request,
    service: Service,
    search: Search = "",
    after: Annotated[int | None, Query(ge=0, le=LARGEST)] = None,
    edit: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
) -> Response:
    """The golden questions and the latest runs; for htmx the list alone. `edit`: the question in the form."""
    if is_part(request):
        values = _list(service, search, after)
        return part(request, "golden_rows.html" if after else "golden_list.html", **values)
    sent = service.golden.get(edit) if edit else None
    return _page(request, service, search, sent, None)


@router.post("/golden-save")
def save_golden(request: Request, service: Service, form: Form) -> Response:
    """Add a golden question, or change one."""
    by, golden_id = request.state.caller.name, str(form.get("golden_id", ""))
    try:
        new = _new(form)
        if golden_id.isdecimal():
            service.golden.change(min(int(golden_id), LARGEST), new, by)
        else:
            service.golden.add(new, by)
    except (InputError, Conflict) as error:
        return _page(request, service, "", None, Flash("error", str(error)), form, status_of(error))
    audit.record(request, "change golden question" if golden_id else "add golden question", golden_id)
    return moved(request, "golden", Flash("done", texts().golden.saved).as_dict())


@router.post("/golden-delete")
def delete_golden(request: Request, service: Service, form: Form) -> Response:
    """Delete a golden question; the message brings it back."""
    text = str(form.get("golden_id", ""))
    golden = service.golden.get(min(int(text), LARGEST) if text.isdecimal() else 0)
    service.golden.delete(golden.id)
    audit.record(request, "delete golden question", str(golden.id))
    fields = tuple((name, str(getattr(golden, name) or "")) for name in ("question", "faq_id", "source", "note"))
    flash = Flash("done", texts().golden.deleted, fields, "golden-save")
    return moved(request, "golden", flash.as_dict())


@router.post("/golden-import")
def import_golden(request: Request, service: Service, form: Form) -> Response:
    """Import a file: all of it, or nothing."""
    upload = form.get("file")
    try:
        if not isinstance(upload, UploadFile) or not upload.filename:
            raise InputError(texts().imports.no_file)
        kind = golden_format(upload.filename)
        options = ReadOptions(READ_AS[kind], limits=Limits.of(service.settings))
        file = RowFile(upload.filename, upload.file.read(), options, FIELDS)
        added = service.golden.take(read(file, service.golden, service.store.entries), request.state.caller.name)
    except FaqError as error:
        said = str(error)
        return _page(request, service, "", None, Flash("error", said), None, status_of(error))
    audit.record(request, "import golden questions")
    said = texts().golden.imported.format(added=counted(added.added, texts().golden.count), updated=added.updated)
    return moved(request, "golden", Flash("done", said).as_dict())


@router.get("/golden-export")
def export_golden(request: Request, service: Service) -> Response:
    """Every golden question as a file."""
    audit.record(request, "export golden questions")
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="golden.jsonl"'}
    return Response(export(service.golden.all(), "jsonl"), media_type=MEDIA_TYPES["jsonl"], headers=headers)


def broken_lines(run: Run) -> list[str]:
    """What a run found broken, a line a question."""
    return lines_of(Missed(**missed) for missed in run.broken_questions)


def _new(form: FormData) -> NewQuestion:
    """Raises InputError."""
    try:
        question = clean_required(str(form.get("question", "")), "question", QUESTION_LENGTH)
        note = clean(str(form.get("note", "")), "note", NOTE_LENGTH)
        faq_id = str(form.get("faq_id", "")).strip() or None
        return NewQuestion(question, faq_id, str(form.get("source", ""))[:64] or MANUAL, note)
    except ValueError as error:
        raise InputError(f"{error}.") from None


def _list(service: Parts, search: str, after: int | None) -> dict[str, Any]:
    results = service.golden.page(PAGE, after, search.strip() or None)
    ids = [golden.faq_id for golden in results.questions if golden.faq_id]
    return {"results": results, "search": search, "titles": service.store.questions_of(ids)}


def _page(
    request: Request,
    service: Parts,
    search: str,
    edited: Golden | None,
    flash: Flash | None,
    form: FormData | None = None,
    status: int = 200,
) -> Response:
    values = _list(service, search, None) | {"runs": service.runs.page(RUNS).runs, "lines": broken_lines}
    values["form"] = {
        "golden_id": str(edited.id) if edited else str(form.get("golden_id", "")) if form else "",
        **{
            name: str((getattr(edited, name) if edited else form.get(name) if form else None) or "")
            for name in ("question", "faq_id", "note")
        },
    }
    if flash:
        values["flash"] = flash.as_dict()
    return page(request, "golden.html", status, here="golden", max_broken=service.settings.golden_max_broken, **values)
