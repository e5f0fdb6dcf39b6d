"""Entries as a file that imports again as the same entries: JSON lines, CSV, XLSX. Knows no database.

Tables have the columns `id`, `question`, `answer`, `alternatives`, `negatives` and `metadata`. Lists are separated by
`|`, in which `\\|` stands for a `|`, or are a JSON array where that could be misread; metadata is a JSON object, which
keeps numbers distinct from texts. A spreadsheet evaluates cells that begin with `=`, `+`, `-` or `@`: CSV has an
apostrophe before these, which reading takes off; XLSX marks them as text, as Excel itself does.
"""

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.files import entry_line
from app.knowledge.formulas import FORMULA, shielded

ExportFormat = Literal["jsonl", "csv", "xlsx"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
MEDIA_TYPES: dict[ExportFormat, str] = {
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
COLUMNS = ("id", "question", "answer", "alternatives", "negatives", "metadata")

_BLOCK_ENTRIES = 500  # written at a time
_BLOCK_BYTES = 256 * 1024
_CELL_CHARS, _SHEET_ROWS = 32_767, 1_048_576  # Excel's limits
_NOT_IN_XML = re.compile("[\ufffe\uffff]")
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
        return _saved(_workbook(entries))
    return _csv(entries) if kind == "csv" else _json_lines(entries)


def _json_lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    for block in _blocks(entries):
        yield "".join(map(entry_line, block)).encode()


def _csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """CSV with every cell quoted and a byte order mark, without which Excel guesses another encoding."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    text.write("\ufeff")
    writer.writerow(COLUMNS)
    for block in _blocks(entries):
        writer.writerows([shielded(cell) for cell in _cells(entry)] for entry in block)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _workbook(entries: Iterable[Entry]) -> Workbook:
    """Its rows are in a temporary file of the library's, which saving removes."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("FAQ")
    sheet.append(COLUMNS)
    try:
        for row, entry in enumerate(entries, start=2):
            if row > _SHEET_ROWS:
                raise InputError(
                    f"A sheet of Excel holds {_SHEET_ROWS - 1:,} entries. Export as csv or jsonl.", "format"
                )
            sheet.append([_text_cell(sheet, entry, *cell) for cell in zip(COLUMNS, _cells(entry), strict=True)])
    except BaseException:
        for _ in _saved(workbook):
            pass
        raise
    return workbook


def _text_cell(sheet: WriteOnlyWorksheet, entry: Entry, column: str, text: str) -> object:
    if len(text) > _CELL_CHARS or _NOT_IN_XML.search(text):
        reason = f"{len(text):,} characters" if len(text) > _CELL_CHARS else "a character that XML does not allow"
        raise InputError(
            f"The entry `{entry.id}` has {reason} in `{column}`; a cell of Excel holds up to {_CELL_CHARS:,} "
            "of the ordinary ones. Export as csv or jsonl.",
            "format",
        )
    if not text:
        return None
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # a text, also where it begins with `=` or looks like an error such as `#N/A`
    cell.quotePrefix = bool(FORMULA.match(text))
    return cell


def _cells(entry: Entry) -> tuple[str, ...]:
    metadata = _encode(entry.metadata) if entry.metadata else ""
    return entry.id, entry.question, entry.answer, _list(entry.alternatives), _list(entry.negatives), metadata


def _list(texts: Iterable[str]) -> str:
    texts = list(texts)
    joined = "|".join(text.replace("|", "\\|") for text in texts)
    misread = any("\\|" in text or text.endswith("\\") for text in texts)
    return _encode(texts) if misread or (joined.startswith("[") and joined.endswith("]")) else joined


def _blocks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    block: list[Entry] = []
    for entry in entries:
        block.append(entry)
        if len(block) == _BLOCK_ENTRIES:
            yield block
            block = []
    yield block


def _saved(workbook: Workbook) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        workbook.save(file)
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            yield block
