"""Rows of cells with a header, from CSV or a spreadsheet, as objects. Knows no file format."""

import re
from collections.abc import Iterable, Iterator, Sequence

from app.errors import Place
from app.knowledge.readers import qnamaker
from app.knowledge.readers.fields import ENTRY_FIELDS, Columns, Fields, columns_of
from app.knowledge.readers.json_values import parse_json
from app.knowledge.readers.options import Limits
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile

Cells = tuple[Place, Sequence[object]]

_SEPARATOR = re.compile(r"(?<!\\)\|")
_ABSENT = frozenset(("null", *(sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity"))))


def rows(cells: Iterable[Cells], file: RowFile, ragged: bool = False) -> Iterator[Row]:
    """Every row below the first one that is not empty, which is the header. Empty rows are left out.

    `ragged`: rows may be shorter or longer than the header, as the rows of a sheet are.
    """
    columns: Columns | None = None
    splits = _Splits(file)
    total = 0
    for number, (place, row) in enumerate(cells):
        total += len(row)
        _check_size(file, number, total)
        if not any(_filled(cell) for cell in row):
            continue
        try:
            if columns is None:
                columns = _header(row, file, ragged)
            else:
                values = _values(place, row, columns, file)
                splits.note(place, row, columns)
                yield Row(place, values)
        except BadRow as error:
            file.reject(place, str(error), error.field)
            if columns is None:
                return
    splits.warn()


def _check_size(file: RowFile, number: int, cells: int) -> None:
    limits = file.options.limits
    if number > limits.rows:
        file.fail(f"has more than {limits.rows:,} rows (FAQ_IMPORT_MAX_ROWS)")
    if cells > limits.cells:
        file.fail(f"has more than {limits.cells:,} cells (FAQ_IMPORT_MAX_CELLS)")


def _filled(cell: object) -> bool:
    return cell is not None and cell != "" and not (isinstance(cell, str) and cell.isspace())


def _header(row: Sequence[object], file: RowFile, ragged: bool) -> Columns:
    names = ["" if cell is None else str(cell) for cell in row]
    if file.fields is ENTRY_FIELDS and qnamaker.is_header(names):
        file.format, fields = qnamaker.FORMAT, qnamaker.FIELDS
    else:
        fields = file.fields
    columns = columns_of(names, fields, file.options.mapping, ragged)
    file.mapping |= {column: name for column, name in columns.mapping.items() if name in file.fields.names}
    return columns


def _values(place: Place, row: Sequence[object], columns: Columns, file: RowFile) -> dict[str, object]:
    width = len(columns.fields)
    if len(row) < width and not columns.ragged:
        raise BadRow(f"has {len(row)} cells; the header has {width}")
    values: dict[str, object] = dict.fromkeys(name for name in columns.fields[len(row) :] if name)
    for i, cell in enumerate(row):
        name = columns.fields[i] if i < width else ""
        if name:
            _check_length(cell, name, file)
            values[name] = cell_value(name, cell, columns.of, file.options.limits)
        elif _filled(cell):
            if i >= width and not columns.ragged:
                raise BadRow(f"has {len(row)} cells; the header has {width}")
            file.warn("unnamed_column", f"column {i + 1} has no name in the header; its content is not taken", place)
    return values


def _check_length(cell: object, name: str, file: RowFile) -> None:
    limit = file.options.limits.cell_chars
    if isinstance(cell, str) and len(cell) > limit:
        raise BadRow(
            f"`{name}` has {len(cell):,} characters; a cell may have {limit:,} (FAQ_IMPORT_MAX_CELL_CHARS)", name
        )


def cell_value(name: str, cell: object, fields: Fields, limits: Limits) -> object:
    """The value of a cell of the field or metadata key `name`; None for an empty one.

    `NaN`, `null` and `Inf` are texts where the field is a text, and nothing elsewhere. Raises BadRow.
    """
    if not isinstance(cell, str):
        return _typed(name, cell, fields)
    if not cell.strip():
        return None
    if name in fields.lists:
        return split_texts(cell, limits)
    if name in fields.texts:
        return cell
    if cell.strip().lower() in _ABSENT:
        return None
    return parse_json(cell, limits) if name in fields.objects else cell


def _typed(name: str, cell: object, fields: Fields) -> object:
    """A number, true or false, as a sheet holds it; a text where the field is one."""
    if cell is None or not (name in fields.texts or name in fields.lists):
        return cell
    text = str(cell).upper() if isinstance(cell, bool) else str(cell)
    return [text] if name in fields.lists else text


def split_texts(cell: str, limits: Limits) -> list[object]:
    """The texts of one cell: a JSON array of texts, or texts separated by `|`, in which `\\|` stands for a `|`."""
    if cell.lstrip().startswith("[") and cell.rstrip().endswith("]"):
        try:
            value = parse_json(cell, limits)
        except BadRow:
            value = None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    return [text.replace("\\|", "|") for text in _SEPARATOR.split(cell)]


def is_split(cell: str) -> bool:
    """True for a cell that is separated into several texts by `|`."""
    return bool(_SEPARATOR.search(cell)) and not (cell.lstrip().startswith("[") and cell.rstrip().endswith("]"))


class _Splits:
    """Counts cells that are split at `|`. If a file has only one, it is more likely a text with that character."""

    def __init__(self, file: RowFile) -> None:
        self._file = file
        self._cells: list[tuple[Place, str]] = []

    def note(self, place: Place, row: Sequence[object], columns: Columns) -> None:
        """Look at one row."""
        for name, cell in zip(columns.fields, row, strict=False):
            if len(self._cells) < 2 and name in columns.of.lists and isinstance(cell, str) and is_split(cell):
                self._cells.append((place, name))

    def warn(self) -> None:
        """Warn where a single cell is split."""
        if len(self._cells) == 1:
            place, name = self._cells[0]
            message = (
                f"no other cell of `{name}` holds a `|`, which separates texts; write `\\|` where it is part of a text"
            )
            self._file.warn("pipe", message, place)
