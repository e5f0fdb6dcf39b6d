"""Rows of figures and of questions as JSON lines or CSV, in blocks."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from app.batches import batches
from app.knowledge.formulas import shielded

RowFormat = Literal["jsonl", "csv"]
MEDIA_TYPES: dict[RowFormat, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}

_BLOCK = 500  # rows written at a time
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def export(rows: Iterable[Mapping[str, object]], columns: Sequence[str], kind: RowFormat) -> Iterator[bytes]:
    """The file, in blocks. CSV is UTF-8 with a byte order mark; a cell that a spreadsheet would evaluate has an
    apostrophe before it."""
    if kind == "csv":
        yield _csv([columns], bom=True)
    for block in batches(rows, _BLOCK):
        if kind == "csv":
            yield _csv([[_cell(row[column]) for column in columns] for row in block])
        else:
            yield "".join(_encode({column: row[column] for column in columns}) + "\n" for row in block).encode()


def _csv(rows: Iterable[Sequence[str]], bom: bool = False) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return (("\ufeff" if bom else "") + text.getvalue()).encode()


def _cell(value: object) -> str:
    if isinstance(value, str):
        return shielded(value)
    return "" if value is None else _encode(value)
