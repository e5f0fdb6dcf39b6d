"""FAQ files as texts: what is read of one, and which rows are refused."""

import json

import pytest

from app.errors import FileError, RowError
from app.knowledge.files import EntryFile, parse_entries


def parse(text: str | bytes, name: str = "faq.jsonl") -> EntryFile:
    return parse_entries(text.encode() if isinstance(text, str) else text, name)


def bad_rows(text: str | bytes, name: str = "faq.jsonl") -> list[RowError]:
    with pytest.raises(FileError) as caught:
        parse(text, name)
    return caught.value.rows


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
