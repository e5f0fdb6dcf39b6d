"""Evaluation queries and labelled texts."""

from pathlib import Path

import pytest

from app.errors import FileError, InputError
from app.knowledge.queries import Query, read_queries
from trainer.data.queries import Labelled, read_labelled


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "q.jsonl"


def test_every_kind_of_target(file: Path) -> None:
    file.write_text(
        '{"question": " a ", "faq_id": "x", "lang": "de", "n": 1, "none": null}\n'
        '{"question": "b", "faq_id": null}\n'
        '{"question": "c", "answer": "yes"}\n'
        '{"question": "d", "label": 7}\n'
        '{"question": "e", "faq_id": 7}\n'
        '{"question": "f", "faq_id": NaN, "answer": "yes"}\n'
    )
    assert read_queries(file) == [
        Query("a", faq_id="x", tags={"lang": "de", "n": 1}),
        Query("b"),
        Query("c", answer="yes"),
        Query("d", label="7"),
        Query("e", faq_id="7"),
        Query("f", answer="yes"),
    ]
    assert [query.unanswerable for query in read_queries(file)] == [False, True, False, False, False, False]


def test_csv_says_unanswerable_with_an_empty_cell(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_text("question,faq_id\na,x\nb,\n")
    assert read_queries(file) == [Query("a", faq_id="x"), Query("b")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "label": 1}', "needs `question`; it has `text`, `label`"),
        ('{"question": "a"}', "needs `faq_id` (null: no entry answers it), `answer` or `label`; it has `question`"),
        ('{"question": "a", "answer": null}', "needs `faq_id`"),
        ('{"question": " ", "faq_id": null}', "`question` is empty"),
        ('{"question": "a", "faq_id": ""}', "`faq_id` is empty"),
        ('{"question": "a", "faq_id": ["x"]}', "`faq_id` must be text, not a list"),
        ('{"question": "a\\u0000", "faq_id": null}', "`question` holds a control character (U+0000)"),
        ("[1]", "must be an object, not a number"),
    ],
)
def test_bad_queries(file: Path, line: str, reason: str) -> None:
    file.write_text(line)
    with pytest.raises(FileError) as caught:
        read_queries(file)
    (row,) = caught.value.rows
    assert reason in row.reason
    assert row.line == 1


def test_no_queries(file: Path) -> None:
    file.write_text("\n\n")
    with pytest.raises(InputError, match="holds no queries"):
        read_queries(file)


def test_labelled_texts(file: Path) -> None:
    file.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n')
    assert read_labelled(file) == [Labelled("a", "1"), Labelled("b", "1")]


def test_bad_labelled_texts(file: Path) -> None:
    file.write_text('{"question": "a", "answer": "b"}\n{"text": "a", "label": ""}\n{"text": "a", "label": 1.5}\n')
    with pytest.raises(FileError) as caught:
        read_labelled(file)
    assert [row.reason for row in caught.value.rows] == [
        "needs `text`; it has `question`, `answer`",
        "`label` is empty",
        "`label` must be text, not a number",
    ]
