"""CSV and TSV, of any delimiter, as spreadsheets and exports write them."""

import csv
from collections.abc import Iterator

from app.errors import Place
from app.knowledge.formulas import unshielded
from app.knowledge.readers import qnamaker, table
from app.knowledge.readers.dialect import Dialect, dialect_of, lines_of
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile
from app.knowledge.readers.swallowed import Suspicion

_FORMATS = {",": "CSV", "\t": "TSV"}


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
    suspicion = None if file.options.allow_multiline else Suspicion(text, dialect.start, dialect.delimiter)
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
        "Remove the quotes, or double them within a quoted cell; where the line breaks are meant, say so with "
        "--allow-multiline"
    )


def _broken(error: str, first: int, last: int) -> str:
    """What Python's reader says, with both lines."""
    if "unexpected end" in error:
        return f"broken CSV: the quote that opens a cell of the row on line {first} is never closed"
    if "expected after" in error:
        where = f"on line {first}" if first == last else f"that begins on line {first} and is closed on line {last}"
        return f"broken CSV: text follows the closing quote of a cell {where}; a quote within a quoted cell is doubled"
    return f"broken CSV: {error}"
