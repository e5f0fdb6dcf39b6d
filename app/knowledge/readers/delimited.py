"""CSV and TSV, of any delimiter, as spreadsheets and exports write them."""

import csv
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from app.errors import Place
from app.knowledge.formulas import unshielded
from app.knowledge.readers import qnamaker, table
from app.knowledge.readers.fields import Fields, folded
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile

_FORMATS = {",": "CSV", "\t": "TSV"}
_USUAL = ",;\t|"
_EXCEL = re.compile(r"\s*sep=([^\r\n])[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_UNUSUAL = re.compile(r"[^\w\s\"'.,;|-]")
_SAMPLE = 5  # records that are looked at
_STYLE_SAMPLE = 1_000  # records in which a space after a delimiter is looked for
_HEADER_LENGTH = 10_000  # characters of a header in which delimiters are looked for
_LINE_END = re.compile(r"\r\n|\r|\n")


class Dialect(NamedTuple):
    """`start`: where the text begins, after `skipped` lines that Excel put before it. `names`: the header."""

    delimiter: str
    start: int
    skipped: int
    names: tuple[str, ...]


def rows(text: str, file: RowFile) -> Iterator[Row]:
    """The rows below the header, each at the line where it begins."""
    dialect = dialect_of(text, file.fields, file.options.mapping.values())
    file.format = _FORMATS.get(dialect.delimiter, f"CSV with `{dialect.delimiter}`")
    return table.rows(_cells(text, dialect, file), file)


def _cells(text: str, dialect: Dialect, file: RowFile) -> Iterator[table.Cells]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    unquoted = _is_unquoted(text, dialect)
    reader = csv.reader(
        lines_of(text, dialect.start),
        delimiter=dialect.delimiter,
        strict=True,
        quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
    )
    suspicion = None if file.options.allow_multiline else _Suspicion(text, dialect.start, dialect.delimiter)
    line = 1 + dialect.skipped
    width = 0
    try:
        for cells in reader:
            width = width or len(cells)
            multiline = reader.line_num + dialect.skipped > line
            swallowed = suspicion.lines(cells, width, line) if suspicion and multiline else None
            if swallowed:
                file.reject(Place(line), _swallowed(*swallowed))
            else:
                yield Place(line), [unshielded(cell) for cell in cells]
            line = reader.line_num + 1 + dialect.skipped
    except csv.Error as error:
        file.reject(Place(line), _broken(str(error), line, reader.line_num + dialect.skipped))


def _is_unquoted(text: str, dialect: Dialect) -> bool:
    """True for an export of QnA Maker as it writes it: line breaks are escaped, and quotes are text."""
    if dialect.delimiter != "\t" or not qnamaker.is_header(dialect.names):
        return False
    return len({line.count("\t") for line in lines_of(text, dialect.start) if line.strip()}) == 1


def _swallowed(first: int, last: int) -> str:
    return (
        f"a quote opens a cell on line {first} and one on line {last} closes it: the cell holds the rows between. "
        "Remove the quotes, or double them within a quoted cell; if the line breaks are meant, use --allow-multiline"
    )


def _broken(error: str, first: int, last: int) -> str:
    """What Python's reader says, with both lines."""
    if "unexpected end" in error:
        return f"broken CSV: the quote that opens a cell of the row on line {first} is never closed"
    if "expected after" in error:
        where = f"on line {first}" if first == last else f"that begins on line {first} and is closed on line {last}"
        return f"broken CSV: text follows the closing quote of a cell {where}; a quote within a quoted cell is doubled"
    return f"broken CSV: {error}"


def dialect_of(text: str, fields: Fields, columns: Iterable[str] = ()) -> Dialect:
    """The delimiter that the line `sep=` names, or else the one that gives the most expected columns, or else
    the most even records. `columns`: names of the file's own that are mapped to fields."""
    if excel := _EXCEL.match(text):
        records = _records(text, excel.end(), excel[1])
        return Dialect(excel[1], excel.end(), 1, tuple(records[0]) if records else ())
    known = {folded(name) for field, others in fields.names.items() for name in (field, *others)} | set(
        map(folded, columns)
    )
    header = next((line for line in lines_of(text) if line.strip()), "")[:_HEADER_LENGTH]
    best, score = Dialect(",", 0, 0, ()), (-1, False, 0)
    for delimiter in (*_USUAL, *dict.fromkeys(_UNUSUAL.findall(header))):
        records = _records(text, 0, delimiter)
        names = records[0] if records else []
        hits = sum(folded(name) in known for name in names)
        even = len(names) > 1 and all(len(record) == len(names) for record in records)
        if (hits, even, len(names)) > score and (delimiter in _USUAL or hits > 1):
            best, score = Dialect(delimiter, 0, 0, tuple(names)), (hits, even, len(names))
    return best


def lines_of(text: str, start: int = 0) -> Iterator[str]:
    """Lines with their ends, one at a time. Only CR, LF and CR LF end a line."""
    return (match.group() for match in _LINE.finditer(text, start) if match.group())


def _records(text: str, start: int, delimiter: str, count: int = _SAMPLE) -> list[list[str]]:
    """The first `count` records that are not empty, read leniently."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(lines_of(text, start), delimiter=delimiter)
    try:
        return list(islice((record for record in reader if any(cell.strip() for cell in record)), count))
    except csv.Error:
        return []


class _Suspicion:
    """Finds the cells of a CSV text in which a lone quote may have swallowed rows.

    A cell is suspected when each of its lines could be a row: every line between the first and the last has as many
    delimiters as a row, the last line at least as many as stand before the cell, and the first as many as stand after
    it. Empty lines do not count. Where no cell of the file begins with a space, a delimiter before a space is part of a
    sentence and does not count. A text whose every cell is quoted is not suspected: no lone quote opens a cell there.
    """

    def __init__(self, text: str, start: int, delimiter: str) -> None:
        self._text, self._start, self._delimiter = text, start, delimiter

    def lines(self, cells: list[str], width: int, line: int) -> tuple[int, int] | None:
        """The first and the last line of the suspected cell of a row that begins at `line`; None if there is none."""
        for i, cell in enumerate(cells):
            breaks = len(_LINE_END.findall(cell))
            if breaks and self._holds_rows(cell, i, width) and not self._every_cell_is_quoted:
                return line, line + breaks
            line += breaks
        return None

    def _holds_rows(self, cell: str, i: int, width: int) -> bool:
        first, *between, last = _LINE_END.split(cell)
        rows = [line for line in between if line.strip(f"{self._delimiter} \t")]
        if width < 2 or not (rows or i > 0):
            return False
        return (
            self._count(first) >= width - 1 - i
            and self._count(last) >= i
            and all(self._count(line) >= width - 1 for line in rows)
        )

    def _count(self, line: str) -> int:
        return len(self._separator.findall(line))

    @cached_property
    def _separator(self) -> re.Pattern[str]:
        records = _records(self._text, self._start, self._delimiter, _STYLE_SAMPLE)
        spaced = any(cell.startswith(" ") for record in records for cell in record[1:])
        return re.compile(re.escape(self._delimiter) + ("" if spaced else "(?! )"))

    @cached_property
    def _every_cell_is_quoted(self) -> bool:
        cell = r'"(?:[^"]|"")*+"'
        row = rf"(?:{cell}(?:{re.escape(self._delimiter)}{cell})*+)?"
        return bool(re.compile(rf"{row}(?:(?:\r\n|\r|\n){row})*+\Z").match(self._text, self._start))
