"""Many changes of entries in one request: all of them, or none."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from anyio import from_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from app.api.batch_schemas import BatchOutcomes, Create, EntryBatch, Operation, Outcome, Replace, Update
from app.api.entry import caller_of
from app.api.lint import warnings_about
from app.api.routing import admin_router
from app.api.state import Service
from app.errors import BatchRefused, Conflict, NotFound, Stale
from app.http import audit
from app.http.problem import documented
from app.knowledge.editing import Editor
from app.knowledge.stored import Stored

Change = Callable[[Editor], Stored]

router = admin_router("knowledge", "edit", below="/entries")


@router.post("/batch", responses=documented(409, 413))
def change_entries(body: EntryBatch, request: Request, service: Service) -> BatchOutcomes:
    """Up to 1,000 changes, all or none. 409 names every operation that cannot be carried out, and why; an entry that
    was changed in the meantime is in it as it is now."""
    _check_distinct(body.operations)
    changes = [_change(operation, number) for number, operation in enumerate(body.operations)]
    saved: list[tuple[Stored, Outcome]] = []
    refused: list[dict[str, Any]] = []
    with service.store.edit(caller_of(request).name) as editor:
        for number, (operation, change) in enumerate(zip(body.operations, changes, strict=True)):
            try:
                saved.append(_outcome(operation, editor, change))
            except (Conflict, NotFound) as error:
                refused.append(_refusal(error, operation, number))
        if refused:
            raise BatchRefused(refused)
    service.updater.notify()
    for _, outcome in saved:
        audit.record(request, outcome.op, outcome.id)
    warnings = from_thread.run(warnings_about, service, [stored.entry for stored, _ in saved])
    return BatchOutcomes(
        outcomes=[outcome.model_copy(update={"warnings": warnings[outcome.id]}) for _, outcome in saved]
    )


def _check_distinct(operations: Sequence[Operation]) -> None:
    """Raise RequestValidationError where two operations change one entry."""
    first: dict[str, int] = {}
    for number, operation in enumerate(operations):
        if isinstance(operation, Create):
            continue
        if (earlier := first.setdefault(operation.id, number)) != number:
            message = f"operation {earlier} changes the entry `{operation.id}` too; send one for each entry"
            location = ("body", "operations", number)
            raise RequestValidationError([{"type": "value_error", "loc": location, "msg": message}])


def _change(operation: Operation, number: int) -> Change:
    """What an operation does. Raises RequestValidationError for an entry that is none, and so may the change."""
    location = ("body", "operations", number)
    if isinstance(operation, Create):
        created = operation.entry.entry(None, (*location, "entry"))
        return lambda editor: editor.create(created)
    if isinstance(operation, Replace):
        entry = operation.entry.entry(operation.id, (*location, "entry"))
        return lambda editor: editor.change(operation.id, lambda _: entry, [operation.etag])
    if isinstance(operation, Update):
        changed = partial(operation.changes.changed, location=(*location, "changes"))
        return lambda editor: editor.change(operation.id, changed, [operation.etag])
    return lambda editor: editor.archive(operation.id, [operation.etag])


def _outcome(operation: Operation, editor: Editor, change: Change) -> tuple[Stored, Outcome]:
    """Carry out an operation; the entry that it left, and its outcome without warnings."""
    before = None if isinstance(operation, Create) else editor.get(operation.id)
    stored = change(editor)
    what: Literal["created", "changed", "unchanged"] = "created"
    if before:
        what = "unchanged" if stored.version == before.version else "changed"
    entry_id = stored.entry.id
    outcome = Outcome(id=entry_id, op=operation.op, outcome=what, version=stored.version, etag=stored.etag, warnings=[])
    return stored, outcome


def _refusal(error: Conflict | NotFound, operation: Operation, number: int) -> dict[str, Any]:
    """One operation of a refused batch, for the `errors` of the problem."""
    current = {"entry": error.current} if isinstance(error, Stale) else {}
    return {"field": f"operations.{number}", "op": operation.op, "code": error.code, "message": str(error), **current}
