"""Files that are too large, too deep or made to hang a reader: refused in words, soon, and in little memory."""

import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from app.errors import FileError, InputError
from app.knowledge.files import parse_entries, read_entries
from app.knowledge.readers.fields import ENTRY_FIELDS
from app.knowledge.readers.options import Limits, ReadOptions
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row_file import RowFile
from app.settings import Settings

SOON_S = 20  # on a busy machine; each takes less than a second alone


def refused(data: str | bytes, name: str, **limits: int) -> str:
    content = data.encode() if isinstance(data, str) else data
    with pytest.raises(FileError) as caught:
        parse_entries(content, name, ReadOptions(limits=Limits(**limits)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "limits", "words"),
    [
        ("f.csv", "answer\n" + "a\n" * 3, {"file_bytes": 9}, "at most 9 are allowed (FAQ_IMPORT_MAX_BYTES)"),
        ("f.csv", "answer\n" + "a\n" * 3, {"rows": 2}, "has more than 2 rows (FAQ_IMPORT_MAX_ROWS)"),
        ("f.jsonl", '{"answer": "a"}\n' * 3, {"rows": 2}, "has more than 2 rows (FAQ_IMPORT_MAX_ROWS)"),
        ("f.csv", "answer,b\n" + "a,b\n" * 3, {"cells": 6}, "has more than 6 cells (FAQ_IMPORT_MAX_CELLS)"),
        ("f.csv", "answer\nabc\n", {"cell_chars": 2}, "a cell may have 2 (FAQ_IMPORT_MAX_CELL_CHARS)"),
        ("f.json", '[{"answer": [[[["a"]]]]}]', {"nesting": 3}, "nested deeper than 3 levels (FAQ_IMPORT_MAX_NESTING)"),
        ("f.yml", "- answer: [[[[a]]]]\n", {"nesting": 3}, "nested deeper than 3 levels (FAQ_IMPORT_MAX_NESTING)"),
    ],
)  # fmt: skip
def test_a_limit_is_named_with_its_setting(name: str, text: str, limits: dict[str, int], words: str) -> None:
    assert words in refused(text, name, **limits)


def test_the_settings_are_the_limits() -> None:
    settings = Settings(import_max_rows=3, import_max_bytes=4, import_max_nesting=5)
    assert Limits.of(settings) == Limits(rows=3, file_bytes=4, nesting=5)
    assert Limits.of(Settings()) == Limits()


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", b"\0" * 5_000_000)
    assert "has 5,000,000 bytes unpacked" in refused(stream.getvalue(), "f.xlsx", unpacked_bytes=1_000_000)


ALIASES = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"k{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(9)
)
MERGES = "- &b0 {answer: x}\n" + "".join(f"- &b{i + 1} {{<<: [{', '.join([f'*b{i}'] * 30)}]}}\n" for i in range(9))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aliases.yml", ALIASES),
        ("merges.yml", MERGES),
        ("itself.yml", "&a [*a]"),
        ("flow.yml", "[" * 200_000),
        ("blocks.yml", "- " * 20_000 + "x"),
        ("deep.html", "<div>" * 200_000),
        ("details.html", "<details><summary>" * 10_000),
        ("attributes.html", "<details " + " ".join(f"a{i}=1" for i in range(50_000)) + ">"),
        ("answers.html", '<p itemtype="schema.org/Question"><p itemprop="acceptedAnswer">' * 10_000),
        ("quotes.md", ">" * 100_000),
        ("deep.json", "[" * 100_000),
        ("keys.json", "{" + ",".join(f'"{i}": 1' for i in range(50_000)) + ',"0": 1}'),
        ("quotes.csv", "answer\n" + '"' * 100_001),
        ("delimiters.csv", "".join(chr(i) for i in range(0x2500, 0x25FF)) * 30 + "\nx\n"),
    ],
)
def test_files_made_to_hang_a_reader_are_refused_soon(name: str, text: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError):
        parse_entries(text.encode(), name)
    assert time.monotonic() - started < SOON_S


def test_json_lines_are_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "faq.jsonl"
    path.write_text("".join(f'{{"id": "{i}", "answer": "“{"a" * 1_000}”"}}\n' for i in range(4_000)), encoding="utf-8")
    tracemalloc.start()
    count = sum(1 for _ in read_rows(RowFile.open(path, fields=ENTRY_FIELDS)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4_000
    assert peak < path.stat().st_size / 2


def test_json_lines_that_are_not_utf_8_far_down_are_still_decoded(tmp_path: Path) -> None:
    path = tmp_path / "faq.jsonl"
    path.write_bytes(b'{"answer": "a"}\n' * 30_000 + '{"answer": "Où est le café à côté ?"}\n'.encode("cp1252"))
    file = read_entries(path)
    assert (file.encoding, file.entries[-1].answer) == ("cp1252", "Où est le café à côté ?")
