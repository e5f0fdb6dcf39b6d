"""Try a question: the candidates, why the first one won, and what to do about a wrong one."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.changes import Step
from app.console.flash import done
from app.console.guard import guarded
from app.console.page import moved, page
from app.console.parts import Form, Service
from app.console.texts import texts
from app.errors import InputError, NotReady
from app.http import audit
from app.knowledge.entry import Entry
from app.text.limits import QUESTION_LENGTH, clean

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("ask"))
editing = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
SHOWN = 8
Lesson = Literal["alternatives", "negatives"]
LESSONS: dict[str, Lesson] = {"phrasing": "alternatives", "negative": "negatives"}


@router.get("/try")
async def show_try(
    request: Request, service: Service, question: Annotated[str, Query(max_length=QUESTION_LENGTH)] = ""
) -> Response:
    """The form, and what the live release makes of a question."""
    text = _question(question)
    explained, release, ready = None, None, True
    try:
        async with service.live.answerer() as answerer:
            release = answerer.release
            if text:
                explained = await answerer.explain(text)
    except NotReady:
        ready = False
    values: dict[str, Any] = {
        "question": text,
        "explained": explained,
        "release": release,
        "ready": ready,
        "shown": SHOWN,
    }
    return await run_in_threadpool(page, request, "try.html", here="try", **values)


@editing.post("/teach")
def teach(request: Request, service: Service, form: Form) -> Response:
    """Add the question to an entry: as a phrasing, or as one that it must not answer."""
    text, entry_id = _question(str(form.get("question", ""))), str(form.get("id", ""))
    kind = str(form.get("lesson", ""))
    if not text or kind not in LESSONS:
        raise InputError(texts().errors.parameters)
    with service.store.edit(request.state.caller.name) as editor:
        before = editor.get(entry_id)
        stored = editor.change(entry_id, lambda entry: taught(entry, text, LESSONS[kind]), [before.etag])
    service.updater.notify()
    audit.record(request, kind, entry_id)
    address = f"try?question={quote(text, safe='')}"
    changed = stored.version != before.version
    said = texts().try_it.taught[kind] if changed else texts().try_it.taught_before
    steps = [Step.after(stored, before.version)] if changed else []
    return moved(request, address, done(said, address, steps, service.updater.mode).as_dict())


def _question(text: str) -> str:
    try:
        return clean(text, "question", QUESTION_LENGTH)
    except ValueError as error:
        raise InputError(f"{error}.", "question") from None


def taught(entry: Entry, text: str, lesson: Lesson) -> Entry:
    """The entry with the text in one list, and not in the other one."""
    fields = entry.model_dump()
    for name in LESSONS.values():
        fields[name] = [item for item in fields[name] if item != text]
    if text not in getattr(entry, lesson):
        fields[lesson].append(text)
    else:
        fields[lesson] = list(getattr(entry, lesson))
    return Entry.model_validate(fields)
