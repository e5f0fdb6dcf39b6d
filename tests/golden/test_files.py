"""Files of golden questions, the trainer's evaluation files among them."""

import json
from pathlib import Path

import pytest

from app.errors import FileError, InputError
from app.golden.files import FIELDS, FORMATS, GoldenFormat, export, read
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.queries import read_queries
from app.knowledge.readers.row_file import RowFile
from app.knowledge.store import Store
from tests.conftest import FAQ


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'knowledge.db'}"


def rows_of(text: str, store: Store, golden: GoldenStore) -> list[NewQuestion]:
    return read(RowFile("body", text.encode(), fields=FIELDS), golden, store.entries)


def lines(*rows: dict[str, object]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def test_a_row_names_its_entry_by_id_answer_or_label_or_names_none(store: Store, golden: GoldenStore) -> None:
    evaluation = lines(
        {"question": "a", "faq_id": "refund", "style": "typo"},
        {"question": "b", "answer": FAQ[1].answer},
        {"question": "c", "label": "delivery"},
        {"question": "d", "faq_id": None, "note": "chat", "source": "log"},
    )
    assert rows_of(evaluation, store, golden) == [
        ("a", "refund", "import", ""),
        ("b", "password", "import", ""),
        ("c", "delivery", "import", ""),
        ("d", None, "log", "chat"),
    ]


def test_every_bad_row_is_named_with_its_line(store: Store, golden: GoldenStore) -> None:
    bad = lines(
        {"question": "a", "faq_id": "refund"},
        {"question": "b", "faq_id": "refunds"},
        {"question": "c", "answer": "nowhere"},
        {"question": "d", "label": "nowhere"},
        {"question": "e"},
        {"question": "a", "faq_id": None},
        {"question": "x" * 1001, "faq_id": None},
    )
    with pytest.raises(FileError) as refused:
        rows_of(bad, store, golden)
    assert [row.line for row in refused.value.rows] == [2, 3, 4, 5, 6, 7]
    reasons = [row.reason for row in refused.value.rows]
    assert reasons[:3] == [
        "there is no entry `refunds`",
        "no entry has this answer",
        "no entries have the label `nowhere`; name the entry by `faq_id`",
    ]
    assert reasons[4] == "line 1 has the same question with another entry"
    with pytest.raises(InputError, match="no golden questions"):
        rows_of("question,faq_id\n", store, golden)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_reads_back_here_and_in_the_trainer(
    kind: GoldenFormat, store: Store, golden: GoldenStore, tmp_path: Path
) -> None:
    rows = [
        NewQuestion("Where, oh where?", "refund", "feedback", '=cmd("x")'),
        NewQuestion("-1?", None, "manual", ""),
        NewQuestion("Straße\nund mehr", "password", "log", "'=2"),
    ]
    golden.take(rows)
    text = export(golden.all(), kind)
    assert rows_of(text, store, golden) == rows
    path = tmp_path / f"golden.{kind}"
    path.write_text(text, encoding="utf-8", newline="")
    assert [(query.question, query.faq_id) for query in read_queries(path)] == [row[:2] for row in rows]


def test_the_sample_questions_are_golden_questions(store: Store, golden: GoldenStore) -> None:
    data = Path(__file__).parents[2] / "data"
    rows = read(RowFile.open(data / "unanswerable.jsonl", fields=FIELDS), golden, store.entries)
    assert len(rows) > 50
    assert {row.faq_id for row in rows} == {None}
