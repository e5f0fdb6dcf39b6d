"""An XLSX file of texts, row by row, with `openpyxl`."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from app.errors import InputError
from app.knowledge.formulas import FORMULA

_BLOCK_BYTES = 256 * 1024  # read at a time
_CELL_CHARS, _SHEET_ROWS = 32_767, 1_048_576  # Excel's limits
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def written(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> Workbook:
    """A workbook of one sheet, whose rows are in a temporary file of the library's, which saving removes.

    `rows`: the id of each entry and its cells. Raises InputError for what a sheet of Excel cannot hold.
    """
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("FAQ")
    sheet.append(columns)
    try:
        for row, (entry_id, cells) in enumerate(rows, start=2):
            if row > _SHEET_ROWS:
                raise InputError(
                    f"A sheet of Excel holds {_SHEET_ROWS - 1:,} entries. Export as csv or jsonl.", "format"
                )
            sheet.append([_text_cell(sheet, entry_id, *cell) for cell in zip(columns, cells, strict=True)])
    except BaseException:
        for _ in saved(workbook):
            pass
        raise
    return workbook


def _text_cell(sheet: WriteOnlyWorksheet, entry_id: str, column: str, text: str) -> object:
    if len(text) > _CELL_CHARS or _NOT_IN_XML.search(text):
        reason = f"{len(text):,} characters" if len(text) > _CELL_CHARS else "a character that XML does not allow"
        raise InputError(
            f"The entry `{entry_id}` has {reason} in `{column}`; a cell of Excel holds up to {_CELL_CHARS:,} "
            "of the ordinary ones. Export as csv or jsonl.",
            "format",
        )
    if not text:
        return None
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # a text, also where it begins with `=` or looks like an error such as `#N/A`
    cell.quotePrefix = bool(FORMULA.match(text))
    return cell


def saved(workbook: Workbook) -> Iterator[bytes]:
    """The file of a workbook, in blocks."""
    with tempfile.TemporaryFile() as file:
        workbook.save(file)
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            yield block
