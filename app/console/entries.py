"""The list of entries: search, filters, and changes of many at once, each of which can be undone."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.console.changes import Act, Chosen, Step, change_all, undo_all
from app.console.filters import MOST_SHOWN, PAGE, Filters
from app.console.flash import Flash, done
from app.console.guard import guarded
from app.console.page import is_part, moved, page, part
from app.console.parts import Form, Parts, Service
from app.console.texts import counted, texts
from app.errors import BatchRefused, InputError
from app.http import audit
from app.http.problem import status_of

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
ACTS: tuple[Act, ...] = ("tag", "untag", "archive", "restore", "draft")


@router.get("/entries")
def show_entries(request: Request, service: Service, filters: Annotated[Filters, Query()]) -> Response:
    """The list; for htmx only the list, or the rows that follow a cursor."""
    if is_part(request) and filters.after:
        results = service.store.page(PAGE, filters.after, selection=filters.selection)
        return part(request, "entries_rows.html", results=results, filters=filters, chosen=frozenset())
    return _listed(request, service, filters)


@router.get("/entry-options")
def entry_options(
    request: Request, service: Service, follow_ups: Annotated[str, Query(max_length=1000)] = ""
) -> Response:
    """Entries to choose one of, as the options of the field `follow_ups`."""
    results = service.store.page(8, search=follow_ups.strip() or None)
    return part(request, "entry_options.html", entries=results.entries)


@router.post("/entries-bulk")
def change_entries(request: Request, service: Service, form: Form) -> Response:
    """Change the chosen entries. Where that is impossible, the list comes back with the same entries chosen."""
    filters = Filters.model_validate({name: value for name, value in form.items() if name in Filters.model_fields})
    texts_of_chosen = [str(value) for value in form.getlist("chosen")]
    act = next((act for act in ACTS if act == form.get("act")), None)
    flash, status, kept = Flash("error", texts().entries.nothing_chosen), 422, frozenset[str]()
    if act and texts_of_chosen:
        try:
            chosen = [Chosen.of(text) for text in texts_of_chosen]
            with service.store.edit(request.state.caller.name) as editor:
                steps = change_all(editor, chosen, act, str(form.get("tag", "")))
            service.updater.notify()
            for step in steps:
                audit.record(request, act, step.id)
            said = counted(len(steps), texts().entries.acts[act]) if steps else texts().entries.nothing_changed
            flash, status = done(said, filters.address, steps, service.updater.mode), 200
        except (BatchRefused, InputError) as error:
            flash, status = Flash("error", _reason(error)), status_of(error)
            kept = frozenset(text.partition(" ")[2] for text in texts_of_chosen)
    return _listed(request, service, filters, flash, kept, status)


@router.post("/undo")
def undo(request: Request, service: Service, form: Form) -> Response:
    """Undo a change, and go back to the page that it was made on."""
    steps = [Step.of(str(text)) for text in form.getlist("step")]
    with service.store.edit(request.state.caller.name) as editor:
        undo_all(editor, steps)
    service.updater.notify()
    for step in steps:
        audit.record(request, "undo", step.id)
    back = str(form.get("back", ""))
    safe = back.partition("?")[0] in ("entries", "entry", "try", "unanswered") and back.isprintable()
    return moved(request, back if safe else "entries", Flash("done", texts().flash.undone).as_dict())


def _listed(
    request: Request,
    service: Parts,
    filters: Filters,
    flash: Flash | None = None,
    chosen: frozenset[str] = frozenset(),
    status: int = 200,
) -> Response:
    """The list from its start, as many entries as were shown."""
    shown = min(max(filters.shown, PAGE), MOST_SHOWN)
    results = service.store.page(shown, selection=filters.selection)
    values: dict[str, Any] = {
        "results": results,
        "filters": filters,
        "chosen": chosen,
        "flash": flash.as_dict() if flash else None,
    }
    if is_part(request):
        response = part(request, "entries_list.html", status, **values)
        response.headers["HX-Replace-Url"] = filters.address
        return response
    if flash is None:
        del values["flash"]
    return page(request, "entries.html", status, here="entries", **values)


def _reason(error: BatchRefused | InputError) -> str:
    """What is wrong, in one sentence and the first of the entries that it concerns."""
    if isinstance(error, BatchRefused):
        first = ", ".join(f"“{operation['id']}”" for operation in error.operations[:3])
        more = " …" if len(error.operations) > 3 else ""
        return str(texts().entries.changed_meanwhile).format(names=first + more)
    return str(error)
