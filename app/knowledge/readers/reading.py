"""From a file to its rows: the format by name and content, the encoding, and the reader of that format."""

from collections.abc import Iterator

from app.errors import InputError, Place
from app.knowledge.readers import delimited, json_rows
from app.knowledge.readers.decoding import NotDecodable, decode
from app.knowledge.readers.detection import SUFFIXES, format_by_name
from app.knowledge.readers.options import Format
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile


def read_rows(file: RowFile) -> Iterator[Row]:
    """Every row that can be read and holds the fields that are required; the others are noted in `file.errors`.

    Raises FileError for a file that cannot be read at all, and InputError for one of no format that is known.
    """
    file.check_size(len(file.data))
    number = 0
    for number, row in enumerate(_rows(file), start=1):
        if number > file.options.limits.rows:
            file.fail(f"has more than {file.options.limits.rows:,} rows (FAQ_IMPORT_MAX_ROWS)")
        if missing := [name for name in file.fields.required if row.values.get(name) is None]:
            has = ", ".join(f"`{key}`" for key, value in row.values.items() if value is not None) or "nothing"
            file.reject(row.place, f"needs `{missing[0]}`; it has {has}", missing[0])
        else:
            yield row


def _rows(file: RowFile) -> Iterator[Row]:
    format = _format(file)
    text = _text(file)
    return delimited.rows(text, file) if format == "table" else json_rows.rows(text, file)


def _format(file: RowFile) -> Format:
    format = file.options.format or format_by_name(file.name)
    if format is None:
        raise InputError(f"{file.name}: a file's name must end in one of {', '.join(SUFFIXES)}")
    return format


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
