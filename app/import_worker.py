"""Imports that the service is sent: a small file in a thread, a large one in a process of its own.

Reading a large file takes the interpreter for seconds and memory that is never given back. A process at low priority
keeps both away from those who ask.
"""

import asyncio
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import FaqError, FileError, StoreError
from app.importing import import_file
from app.knowledge.files import parse_entries
from app.knowledge.intake import Match, Mode
from app.knowledge.readers.options import ReadOptions
from app.knowledge.store import Store
from app.retrieval.bundle import Bundle

THREAD_BYTES = 256 * 1024  # of a file that a thread reads: some 50 ms, less than a process takes to start
NICENESS = "10"


@dataclass(frozen=True)
class ImportRequest:
    """A file on disk, the name that its sender gives it, and what is to be done with it."""

    path: Path
    name: str
    options: ReadOptions
    mode: Mode
    match: Match
    dry_run: bool
    bundle: Bundle | None


def perform(store: Store, request: ImportRequest) -> dict[str, Any]:
    """Import the file; what `Imported.as_dict` says. Raises FileError, with the report of a dry run, InputError."""
    file = parse_entries(request.path.read_bytes(), request.name, request.options, partial=request.dry_run)
    imported = import_file(
        store, file, mode=request.mode, match=request.match, dry_run=request.dry_run, bundle=request.bundle
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
        written, _ = await process.communicate(pickle.dumps((database_url, request)))
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise StoreError(f"The import was stopped (its process ended with {process.returncode}). Nothing was changed.")
    outcome = pickle.loads(written)  # noqa: S301 - of our own child
    if isinstance(outcome, FaqError):
        raise outcome
    report: dict[str, Any] = outcome
    return report


def main() -> None:
    """The process: a request on the standard input, its outcome on the standard output."""
    database_url, request = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - of our own parent
    outcome: dict[str, Any] | FaqError
    try:
        store = Store.open(database_url)
        try:
            outcome = perform(store, request)
        finally:
            store.close()
    except FaqError as error:
        outcome = error
    sys.stdout.buffer.write(pickle.dumps(outcome))


if __name__ == "__main__":
    main()
