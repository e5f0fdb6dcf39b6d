"""Entries as a file that imports again as the same entries: JSON lines, CSV, XLSX. Knows no database.

Tables have the columns `id`, `question`, `answer`, `alternatives`, `negatives`, `metadata`, and `entry.state` and so on
for state, validity and follow-ups. Lists are separated by `|`, in which `\\|` stands for a `|`, or are a JSON array
where that could be misread; metadata is a JSON object, which keeps numbers distinct from texts. A spreadsheet evaluates
cells that begin with `=`, `+`, `-` or `@`: CSV has an apostrophe before these, which reading takes off; XLSX marks them
as text, as Excel itself does.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from app.batches import batches
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.files import entry_line
from app.knowledge.formulas import shielded
from app.knowledge.publication import FILE_KEYS

ExportFormat = Literal["jsonl", "csv", "xlsx"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
MEDIA_TYPES: dict[ExportFormat, str] = {
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
COLUMNS = ("id", "question", "answer", "alternatives", "negatives", "metadata", *FILE_KEYS)

_BLOCK_ENTRIES = 500  # written at a time
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def export_format(name: str | None) -> ExportFormat:
    """The format that a file's name promises; JSON lines without a name. Raises InputError naming the suffixes."""
    suffix = "jsonl" if name is None else Path(name).suffix.lower().removeprefix(".")
    for kind in FORMATS:
        if suffix == kind:
            return kind
    known = ", ".join(f".{kind}" for kind in FORMATS)
    raise InputError(f"{name}: a name that ends in one of {known} says the format; or give --format.", "format")


def export(entries: Iterable[Entry], kind: ExportFormat) -> Iterator[bytes]:
    """The file, in blocks; a part of the entries is in memory at a time.

    The rows of an XLSX file are complete before this returns. Raises InputError for what a sheet of Excel cannot hold.
    """
    if kind == "xlsx":
        from app.knowledge import workbook  # openpyxl, which few need

        return workbook.saved(workbook.written(COLUMNS, ((entry.id, _cells(entry)) for entry in entries)))
    return _csv(entries) if kind == "csv" else _json_lines(entries)


def _json_lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    for block in batches(entries, _BLOCK_ENTRIES):
        yield "".join(map(entry_line, block)).encode()


def _csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """CSV with every cell quoted and a byte order mark, without which Excel guesses another encoding."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    text.write("\ufeff")
    writer.writerow(COLUMNS)
    for block in batches(entries, _BLOCK_ENTRIES):
        writer.writerows([shielded(cell) for cell in _cells(entry)] for entry in block)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _cells(entry: Entry) -> tuple[str, ...]:
    metadata = _encode(entry.metadata) if entry.metadata else ""
    texts = entry.id, entry.question, entry.answer, _list(entry.alternatives), _list(entry.negatives), metadata
    state = "" if entry.state == "live" else entry.state
    return *texts, state, entry.valid_from or "", entry.valid_until or "", _list(entry.follow_ups)


def _list(texts: Iterable[str]) -> str:
    texts = list(texts)
    joined = "|".join(text.replace("|", "\\|") for text in texts)
    misread = any("\\|" in text or text.endswith("\\") for text in texts)
    return _encode(texts) if misread or (joined.startswith("[") and joined.endswith("]")) else joined
