"""How a text is delimited, told by its first records. Knows no rows."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from app.knowledge.readers.fields import Fields, folded

_USUAL = ",;\t|"
_EXCEL = re.compile(r"\s*sep=([^\r\n])[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_UNUSUAL = re.compile(r"[^\w\s\"'.,;|-]")
_SAMPLE = 5  # records that are looked at
_HEADER_LENGTH = 10_000  # characters of a header in which delimiters are looked for


class Dialect(NamedTuple):
    """`start`: where the text begins, after `skipped` lines that Excel put before it. `names`: the header."""

    delimiter: str
    start: int
    skipped: int
    names: tuple[str, ...]


def dialect_of(text: str, fields: Fields, columns: Iterable[str] = ()) -> Dialect:
    """The delimiter that the line `sep=` names, or else the one that gives the most columns that are asked for, or else
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
    """Lines with their ends, one at a time. CR, LF and CR LF alone end a line."""
    return (match.group() for match in _LINE.finditer(text, start) if match.group())


def _records(text: str, start: int, delimiter: str) -> list[list[str]]:
    """The first records that are not empty, read leniently."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(lines_of(text, start), delimiter=delimiter)
    try:
        return list(islice((record for record in reader if any(cell.strip() for cell in record)), _SAMPLE))
    except csv.Error:
        return []
