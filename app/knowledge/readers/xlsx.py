"""XLSX workbooks: one sheet, its first row that is not empty the header. Dates are read as ISO texts."""

import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from io import BytesIO
from itertools import count, islice

from app.errors import Place
from app.knowledge.readers import table
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile

_BATCH = 100  # rows that are taken from the workbook at a time
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others are unpacked without a bound
_ERROR = "e"  # the type of a cell that holds an error of Excel's


def rows(file: RowFile) -> Iterator[Row]:
    """The rows below the header of the sheet in the options, else of the first. Raises FileError for no workbook."""
    file.format, file.encoding = "XLSX", "binary"
    _check_archive(file)
    return table.rows(_cells(file), file, ragged=True)


def _check_archive(file: RowFile) -> None:
    """Raises FileError for a file that is not a workbook, and for a workbook that is too large unpacked.

    The sizes are those of the archive's directory; Python's zipfile unpacks no more of a member than these say.
    """
    try:
        with zipfile.ZipFile(BytesIO(file.data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        file.fail(f"is not an XLSX workbook: {error}")
        return
    names = {info.filename for info in infos}
    if "[Content_Types].xml" not in names:
        kind = "an OpenDocument file" if "content.xml" in names else "a ZIP archive"
        file.fail(f"is {kind} and not an XLSX workbook; save it as XLSX or CSV")
    if any(info.compress_type not in _PACKED for info in infos):
        file.fail("is packed in a way that Excel does not use; save it again as XLSX")
    limit = file.options.limits.unpacked_bytes
    if (size := sum(info.file_size for info in infos)) > limit:
        file.fail(f"has {size:,} bytes unpacked; at most {limit:,} are allowed (FAQ_IMPORT_MAX_UNPACKED_BYTES)")


def _cells(file: RowFile) -> Iterator[table.Cells]:
    with _readable(file):
        from openpyxl import load_workbook

        book = load_workbook(BytesIO(file.data), read_only=True, data_only=True, keep_links=False)
        sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        file.fail("has no sheet with cells")
    name = file.options.sheet or next(iter(sheets))
    if name not in sheets:
        file.fail(f"has no sheet `{name}`; its sheets are {_listed(sheets)}", field="sheet")
    if others := [title for title in sheets if title != name]:
        file.warn("not_taken", f"sheet `{name}` is read; not {_listed(others)} (choose with --sheet)")
    with _readable(file):
        sheet = sheets[name]
        sheet.reset_dimensions()  # they may claim a million columns
        cells = sheet.iter_rows()
    numbers = count(1)
    while True:
        with _readable(file):
            batch = list(islice(cells, _BATCH))
        if not batch:
            return
        for row in batch:
            place = Place(next(numbers), "row", name)
            yield place, [_plain(cell.value, cell.data_type == _ERROR, place, file) for cell in row]


@contextmanager
def _readable(file: RowFile) -> Iterator[None]:
    """Raises FileError for whatever openpyxl raises of a damaged workbook, which may be any error."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of styles and rules that it drops
            yield
    except MemoryError:
        raise
    except Exception as error:
        file.fail(f"is a damaged workbook ({type(error).__name__}: {error}); save it again as XLSX")


def _plain(cell: object, is_error: bool, place: Place, file: RowFile) -> object:
    """A cell as text, a number, true or false; None for an empty one and for Excel's errors."""
    if is_error:
        file.warn("not_taken", f"a cell that holds Excel's error {cell} is read as empty", place)
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
