"""From a file to its rows: the format by name and content, the encoding, and the reader of that format."""

from collections.abc import Iterator
from functools import partial
from itertools import chain

from app.errors import Place
from app.knowledge.readers import delimited, detection, intents, json_rows, qnabot, qnamaker, xlsx
from app.knowledge.readers.decoding import NotDecodable, decode, is_utf8
from app.knowledge.readers.fields import ENTRY_FIELDS, renamed
from app.knowledge.readers.options import Format
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile

_START = 256 * 1024  # bytes that are read at a time to tell the format and the encoding


def read_rows(file: RowFile) -> Iterator[Row]:
    """Every row that can be read and holds the fields that are required; the others are noted in `file.errors`.

    Raises FileError for a file that cannot be read at all.
    """
    limit = file.options.limits.rows
    for number, row in enumerate(_shaped(_rows(file), file), start=1):
        if number > limit:
            file.fail(f"has more than {limit:,} rows (FAQ_IMPORT_MAX_ROWS)", row.place)
        values = _renamed(row, file)
        if missing := [name for name in file.fields.required if values.get(name) is None]:
            has = ", ".join(f"`{key}`" for key, value in values.items() if value is not None) or "nothing"
            file.reject(row.place, f"needs `{missing[0]}`; it has {has}", missing[0])
        else:
            yield Row(row.place, values)


def _rows(file: RowFile) -> Iterator[Row]:
    """The rows as the file's format has them. JSON lines in UTF-8 are read one at a time, other files as a whole."""
    with file.opened() as stream:
        start = stream.read(_START)
        may_be_lines = _promised(file) == "json" and is_utf8(chain((start,), iter(partial(stream.read, _START), b"")))
    if may_be_lines and json_rows.are_lines(file):
        return json_rows.lines_of_file(file)
    if detection.is_archive(start):
        return xlsx.rows(file)
    if reason := detection.refused(start):
        file.fail(reason)
    text = _text(file)
    promised = _promised(file)
    format = detection.format_of(text, promised, file.fields)
    if format is None or format == "xlsx":
        file.fail(f"is in no format that is read; these are {', '.join(detection.NAMES.values())}")
    elif promised and format != promised:
        names = detection.NAMES
        file.warn(
            "format", f"called {names[promised]}, but its content is {names[format]}; it is read as {names[format]}"
        )
    return _text_rows(text, format or "json", file)


def _promised(file: RowFile) -> Format | None:
    """The format that the sender or the name says the file has."""
    return file.options.format or detection.format_by_name(file.name)


def _text_rows(text: str, format: Format, file: RowFile) -> Iterator[Row]:
    if format == "html":
        from app.knowledge.readers import html  # lxml, which few need

        return html.rows(text, file)
    if format == "yaml":
        from app.knowledge.readers import yaml_rows

        return yaml_rows.rows(text, file)
    if format == "markdown":
        from app.knowledge.readers import markdown

        return markdown.rows(text, file)
    return delimited.rows(text, file) if format == "table" else json_rows.rows(text, file)


def _text(file: RowFile) -> str:
    try:
        decoded = decode(file.data)
    except NotDecodable as error:
        file.fail(str(error), Place(error.line))
        raise
    file.encoding, file.guessed = decoded.encoding, decoded.guessed
    if decoded.guessed:
        file.warn("encoding", f"the file is not UTF-8; it is read as {decoded.encoding}")
    return decoded.text


def _shaped(rows: Iterator[Row], file: RowFile) -> Iterator[Row]:
    """Rows with the fields of an entry, where the caller expects entries and another program wrote the rows."""
    first = next(rows, None)
    if first is None:
        return iter(())
    rows = chain((first,), rows)
    if file.fields is not ENTRY_FIELDS:
        return rows
    if file.format == qnamaker.FORMAT:
        return qnamaker.joined(rows, file)
    if intents.is_intent(first.values):
        file.format = intents.FORMAT
        return intents.joined(rows, file)
    if qnabot.is_item(first.values):
        file.format = qnabot.FORMAT
        return qnabot.renamed(rows, file)
    return rows


def _renamed(row: Row, file: RowFile) -> dict[str, object]:
    """The row's values under the names of our fields."""
    values, mapping = renamed(row.values, file.fields, file.options.mapping)
    file.mapping |= mapping
    return values
