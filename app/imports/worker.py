"""Imports for the service: a small file in a thread, a large one in a process of its own.

Reading a large file holds the interpreter for seconds, and its memory is never returned. A process at low priority
keeps both away from the answering of questions.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from app import errors
from app.encoding.bundle import Encoding
from app.encoding.lengths import Lengths
from app.errors import FaqError, FileError, InputError, RowError, StoreError
from app.imports.importing import import_file
from app.knowledge.files import read_entries
from app.knowledge.intake import Match, Mode
from app.knowledge.readers.options import ReadOptions
from app.knowledge.store import Store

THREAD_BYTES = 256 * 1024  # of a file that a thread reads: some 50 ms, less than a process takes to start
NICENESS = "10"


@dataclass(frozen=True)
class ImportRequest:
    """A file on disk, the name that its sender gives it, and the options of the import.

    `tokenizer` and `encoding` are those of the active bundle, where there is one. `by`: the name of the key.
    `publish`: wish that the store answers as it then is.
    """

    path: Path
    name: str
    options: ReadOptions
    mode: Mode
    match: Match
    dry_run: bool
    tokenizer: Path | None = None
    encoding: Encoding | None = None
    by: str | None = None
    publish: bool = False


def perform(store: Store, request: ImportRequest) -> dict[str, Any]:
    """Import the file; what `Imported.as_dict` says. Raises FileError, with the report of a dry run, InputError."""
    file = read_entries(request.path, request.options, partial=request.dry_run, name=request.name)
    lengths = Lengths(request.tokenizer, request.encoding) if request.tokenizer and request.encoding else None
    imported = import_file(
        store,
        file,
        mode=request.mode,
        match=request.match,
        dry_run=request.dry_run,
        lengths=lengths,
        by=request.by,
        publish=request.publish,
    )
    if file.refused:
        raise FileError(file.refused, imported.as_dict())
    return imported.as_dict()


async def run(store: Store, database_url: str, request: ImportRequest) -> dict[str, Any]:
    """`perform`, off the event loop. Cancelling it ends the process, and the import with it.

    Raises what `perform` raises, and StoreError when the process ends before it is done.
    """
    if request.path.stat().st_size <= THREAD_BYTES:
        return await asyncio.to_thread(perform, store, request)
    command = ("nice", "-n", NICENESS, sys.executable, "-m", __name__)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        written, _ = await process.communicate(_Task(database_url, store.language, request).as_json())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise StoreError(f"The import was stopped (its process ended with {process.returncode}). Nothing was changed.")
    return _report(json.loads(written))


@dataclass(frozen=True)
class _Task:
    database_url: str
    language: str | None
    request: ImportRequest

    def as_json(self) -> bytes:
        return _TASK.dump_json(self)


_TASK = TypeAdapter(_Task)
_ROWS = TypeAdapter(list[RowError])


def main() -> None:
    """The process: a task on the standard input, its outcome on the standard output."""
    task = _TASK.validate_json(sys.stdin.buffer.read())
    try:
        store = Store.open(task.database_url, language=task.language)
        try:
            outcome: dict[str, Any] = {"report": perform(store, task.request)}
        finally:
            store.close()
    except FileError as error:
        outcome = {"rows": [asdict(row) for row in error.rows], "report": error.report}
    except InputError as error:
        outcome = {"error": InputError.__name__, "message": str(error), "field": error.field}
    except FaqError as error:
        outcome = {"error": type(error).__name__, "message": str(error)}
    sys.stdout.write(json.dumps(outcome))


def _report(outcome: dict[str, Any]) -> dict[str, Any]:
    """The report in an outcome that `main` wrote. Raises the error if the outcome is one."""
    if "rows" in outcome:
        raise FileError(_ROWS.validate_python(outcome["rows"]), outcome["report"])
    if "error" in outcome:
        kind: type[FaqError] = getattr(errors, outcome["error"])
        raise kind(outcome["message"], outcome["field"]) if kind is InputError else kind(outcome["message"])
    report: dict[str, Any] = outcome["report"]
    return report


if __name__ == "__main__":
    main()
