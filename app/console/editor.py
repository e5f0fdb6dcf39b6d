"""One entry: edit, preview, save; its history, and what to do where two people edit at once."""

from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from app.console.changes import Step
from app.console.flash import Flash, done
from app.console.forms import LISTS, TEXTS, EntryForm, FormError
from app.console.guard import guarded
from app.console.page import moved, page, part
from app.console.parts import Form, Parts, Service
from app.console.texts import texts
from app.errors import Conflict, NotFound, Stale
from app.http import audit
from app.knowledge.entry import Entry
from app.knowledge.history import Difference, differences
from app.knowledge.stored import Stored

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
Id = Annotated[str, Query(max_length=200)]
VERSIONS = 20


@dataclass(frozen=True)
class Clash:
    """A field that this person and another one changed at once: the text of each."""

    field: str
    mine: Any
    saved: Any


@router.get("/new")
def new_entry(request: Request, service: Service, question: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """The form of a new entry."""
    return _editor(request, service, EntryForm(question=question))


@router.get("/entry")
def show_entry(request: Request, service: Service, id: Id) -> Response:
    """The form of an entry; one that was removed has only its history, from which it can be restored."""
    try:
        stored = service.store.stored(id)
    except NotFound:
        service.store.versions(id)  # raises NotFound where it never was
        return page(request, "entry_removed.html", here="entries", id=id)
    return _editor(request, service, EntryForm.of_entry(stored.entry), stored)


@router.post("/entry")
def save_entry(request: Request, service: Service, form: Form) -> Response:
    """Save the entry; 412 with both texts where somebody else saved it in the meantime."""
    sent = EntryForm.of_form(form)
    etag, entry_id = str(form.get("etag", "")), sent.id.strip()
    if taken := form.get("take"):
        return _with_saved_field(request, service, sent, str(taken))
    try:
        with service.store.edit(request.state.caller.name) as editor:
            present = editor.get(entry_id) if etag else None
            entry = sent.entry(present.entry if present else None)
            version = present.version if present else 0
            stored = editor.change(entry_id, lambda _: entry, [etag]) if present else editor.create(entry)
    except FormError as error:
        known = service.store.stored(entry_id) if etag else None
        return _editor(request, service, replace(sent, problems=error.problems), known, status=422, etag=etag)
    except Stale:
        return _conflict(request, service, sent, entry_id)
    except Conflict as error:
        return _editor(request, service, replace(sent, problems={"id": str(error)}), status=409)
    service.updater.notify()
    audit.record(request, "update" if version else "create", stored.entry.id)
    address = _address(stored.entry.id)
    said = texts().editor.saved if version else texts().editor.created
    steps = [Step.after(stored, version)] if stored.version != version else []
    return moved(request, address, done(said, address, steps, service.updater.mode).as_dict())


@router.post("/preview")
def preview(request: Request, form: Form) -> Response:
    """The answer as people will see it."""
    return part(request, "preview.html", answer=str(form.get("answer", "")))


@router.get("/history")
def show_history(
    request: Request, service: Service, id: Id, before: Annotated[int | None, Query(ge=1, le=2**31)] = None
) -> Response:
    """The versions of an entry, newest first."""
    kept = service.store.versions(id)
    older = [version for version in kept if before is None or version.version < before]
    etag = "" if kept[0].act == "removed" else service.store.stored(id).etag
    shown = older[:VERSIONS]
    following = shown[-1].version if len(older) > VERSIONS else None
    newest = kept[0].version
    return part(request, "history.html", id=id, versions=shown, etag=etag, following=following, newest=newest)


@router.post("/restore")
def restore(request: Request, service: Service, form: Form) -> Response:
    """Give an entry the content of an earlier version."""
    entry_id, etag, version = str(form.get("id", "")), str(form.get("etag", "")), str(form.get("version", ""))
    with service.store.edit(request.state.caller.name) as editor:
        try:
            before = editor.get(entry_id).version
        except NotFound:
            before = 0
        stored = editor.restore(entry_id, int(version) if version.isdecimal() else 0, [etag] if etag else None)
    service.updater.notify()
    audit.record(request, "restore", entry_id)
    address = _address(entry_id)
    steps = [Step.after(stored, before)] if stored.version != before else []
    return moved(request, address, done(texts().editor.restored, address, steps, service.updater.mode).as_dict())


def _address(entry_id: str) -> str:
    return f"entry?id={quote(entry_id, safe='')}"


def _editor(
    request: Request,
    service: Parts,
    form: EntryForm,
    stored: Stored | None = None,
    *,
    status: int = 200,
    etag: str | None = None,
    clashes: list[Clash] | None = None,
    flash: Flash | None = None,
) -> Response:
    """The page with the form. `etag`: of the version that the person has read, by default the present one."""
    questions = {name: _question(service, name) for name in form.follow_ups}
    return page(
        request,
        "entry.html",
        status,
        here="entries",
        form=form,
        stored=stored,
        etag=etag if etag is not None else (stored.etag if stored else ""),
        clashes=clashes or [],
        questions=questions,
        **({"flash": flash.as_dict()} if flash else {}),
    )


def _question(service: Parts, entry_id: str) -> str | None:
    try:
        entry = service.store.get(entry_id)
    except NotFound:
        return None
    return entry.question or entry.answer


def _conflict(request: Request, service: Parts, sent: EntryForm, entry_id: str) -> Response:
    """The form as it was sent, beside the entry as somebody else saved it; saving again replaces that."""
    stored = service.store.stored(entry_id)
    clashes = [Clash(name, mine, saved) for name, saved, mine in _differing(stored.entry, sent)]
    return _editor(request, service, sent, stored, status=412, clashes=clashes)


def _with_saved_field(request: Request, service: Parts, sent: EntryForm, name: str) -> Response:
    """The form as it was sent, with one field as somebody else saved it."""
    stored = service.store.stored(sent.id.strip())
    saved = EntryForm.of_entry(stored.entry)
    if key := name.removeprefix("metadata.") if name.startswith("metadata.") else "":
        rows = [row for row in sent.metadata if row[0] != key] + [row for row in saved.metadata if row[0] == key]
        mixed = replace(sent, metadata=rows)
    else:
        mixed = replace(sent, **{name: getattr(saved, name)}) if name in (*TEXTS, *LISTS) else sent
    clashes = [Clash(field, mine, theirs) for field, theirs, mine in _differing(stored.entry, mixed)]
    same = None if clashes else Flash("done", texts().editor.clash_solved)
    return _editor(request, service, mixed, stored, clashes=clashes, flash=same)


def _differing(saved: Entry, sent: EntryForm) -> list[tuple[str, Any, Any]]:
    """The fields that differ: name, saved value, sent value."""
    try:
        differing: tuple[Difference, ...] = differences(saved, sent.entry(saved))
    except FormError:
        return []
    return [(difference.field, difference.before, difference.after) for difference in differing]
