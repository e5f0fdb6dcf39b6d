"""FAQ files that are refused: each bad row is named with its line and the reason."""

from pathlib import Path

import pytest

from app.errors import InputError, Place, RowError
from app.knowledge.files import read_entries
from tests.knowledge.files import bad_rows, lines, parse


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "broken JSON at column 2: Expecting property name enclosed in double quotes"),
        ('{"answer": "a"', "broken JSON at column 15: Expecting ',' delimiter"),
        ('{"answer": "a"} x', "broken JSON at column 16: nothing may follow"),
        ('"text"', "must be an object, not text"),
        ("null", "must be an object, not null"),
        ("{}", "needs `answer`; it has nothing"),
        ('{"question": "q"}', "needs `answer`; it has `question`"),
        ('{"answer": ""}', "`answer` is empty"),
        ('{"answer": 3}', "`answer` must be text, not a number"),
        ('{"answer": "a\\u0000"}', "`answer` holds a control character (U+0000) at character 2"),
        ('{"answer": "a\\ud800"}', "`answer` holds a lone surrogate (U+D800) at character 2"),
        ('{"answer": "a", "x\\ud800": 1}', "`a metadata key` holds a lone surrogate (U+D800) at character 2"),
        ('{"answer": "a", "alternatives": "b|c"}', "`alternatives` must be a list of texts, not text"),
        ('{"answer": "a", "id": 1.5}', "`id` must be text, not a number"),
        ('{"answer": "a", "metadata": 1}', "`metadata` must be an object, not a number"),
        ('{"answer": "a", "metadata": {"id": 1}}', "metadata may not hold `id`: that name is reserved"),
        ('{"answer": "a", "x": ' + "9" * 5_000 + "}", "a number has too many digits"),
        ('{"answer": "a", "x": ' + "9" * 30 + "}", "`x` is a number beyond 64 bits; write it as text"),
        ('{"answer": ' + "[" * 100_000, "nested too deeply"),
        ('{"answer": "a", "x": ' + "[" * 300 + "]" * 300 + "}", "`x[0]` must be text, not a list"),
        ('{"answer": "' + "x" * 1_000_000 + '"}', "`answer` has 1,000,000 characters; at most 25,000 are allowed"),
        (
            '{"answer": "' + "x" * 10_000_000 + '"}',
            "has 10,000,014 characters; at most 10,000,000 are allowed (FAQ_IMPORT_MAX_CELL_CHARS)",
        ),
    ],
    ids=lambda value: value[:30],
)
def test_a_bad_row_is_named(line: str, reason: str) -> None:
    assert bad_rows(lines({"answer": "fine"}) + "\n" + line) == [
        RowError("faq.jsonl", Place(3), reason, bad_rows(line)[0].field)
    ]


def test_every_bad_row_is_reported_at_once() -> None:
    rows = bad_rows('{"answer": ""}\nx\n{"answer": "a"}\n{"answer": "\\u0000", "question": 1}\n')
    assert [(row.line, row.field) for row in rows] == [(1, "answer"), (2, None), (4, "question"), (4, "answer")]


def test_an_array_counts_its_lines() -> None:
    text = '[\n  {"answer": "a"},\n  3,\n  {\n    "question": "q"\n  }\n]\n'
    assert [(row.line, row.reason) for row in bad_rows(text, "faq.json")] == [
        (3, "must be an object, not a number"),
        (4, "needs `answer`; it has `question`"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('[\n{"answer": "a"}\n{"answer": "b"}]', 3, "broken JSON: the list should go on or end here"),
        ('[{"answer": "a"}', 1, "broken JSON: the list should go on or end here"),
        ('[{"answer": "a"},\n]', 2, "broken JSON at column 1: Expecting value"),
        ('[{"answer": "a"},\n{"answer": "b"}]\n[]', 3, "broken JSON: nothing may follow what ends here"),
        ('[{"answer": "a"},\n{"answer": "b",\n"id" 3}]', 3, "broken JSON at column 6: Expecting ':' delimiter"),
        ("[" * 100_000, 1, "nested too deeply"),
    ],
    ids=["comma", "cut", "trailing", "more", "colon", "deep"],
)
def test_a_broken_array(text: str, line: int, reason: str) -> None:
    (row,) = bad_rows(text, "faq.json")
    assert (row.line, row.reason) == (line, reason)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            "question\nq\n",
            1,
            "needs a column `answer`; the header has `question`. If one of these is meant, map it: answer=COLUMN",
        ),
        ("answer,answer\na,b\n", 1, "the header names the column `answer` twice"),
        ('answer,q\n"a\nb",c\nx\n', 4, "has 1 cells; the header has 2"),
        ('answer\n"a\nb"\n"c\n', 4, "broken CSV: the quote that opens a cell of the row on line 4 is never closed"),
        (
            'answer\n"a" b\n',
            2,
            "broken CSV: text follows the closing quote of a cell on line 2; a quote within a quoted cell is doubled",
        ),
        ("answer\na\0b\n", 2, "`answer` holds a control character (U+0000) at character 2"),
        ("answer\n" + "x" * 1_000_000, 2, "`answer` has 1,000,000 characters; at most 25,000 are allowed"),
        ("question,answer\nq,\n", 2, "needs `answer`; it has `question`"),
    ],
    ids=["column", "twice", "cells", "end", "quote", "nul", "long", "empty"],
)
def test_bad_csv(text: str, line: int, reason: str) -> None:
    (row,) = bad_rows(text, "faq.csv")
    assert (row.line, row.reason) == (line, reason)


@pytest.mark.parametrize("name", ["faq.jsonl", "faq.csv", "faq.json"])
def test_bytes_in_no_encoding_that_is_read(name: str) -> None:
    (row,) = bad_rows(b'answer\n{"answer": "caf\x81\xff"}\n', name)
    assert row.line == 2
    assert row.reason.startswith("not UTF-8 (byte 0x81), and not UTF-16")


@pytest.mark.parametrize(
    ("text", "name"), [("", "a.jsonl"), ("\n \n", "a.jsonl"), ("[]", "a.json"), ("", "a.csv"), ("answer\n", "a.csv")]
)
def test_an_empty_faq(text: str, name: str) -> None:
    with pytest.raises(InputError, match=r"a\.\w+ holds no entries"):
        parse(text, name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_entries(tmp_path / "faq.jsonl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        read_entries(tmp_path / "folder.csv")


def test_reasons_can_be_shown_whatever_they_quote() -> None:
    (row,) = bad_rows('{"\\ud800\\u0000' + "x" * 1_000 + '": 1}')
    assert row.reason.startswith("needs `answer`; it has `\\ud800\\0xxx")
    assert len(row.reason.encode()) == 500
