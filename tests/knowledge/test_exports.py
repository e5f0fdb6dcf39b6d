"""Exports: what comes out goes in again as the same entries."""

import csv
import io
import math
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InputError
from app.knowledge.entry import RESERVED, Entry
from app.knowledge.exports import FORMATS, ExportFormat, export, export_format
from app.knowledge.files import parse_entries
from app.knowledge.store import Store

ENTRIES = [
    Entry(id="fees/late fee?#1", question="How high is the late fee?", answer="20 cents a day."),
    Entry(id="Где/карта", question="Где карта?", answer="У входа.", alternatives=("карта|план", "[a", "b]")),
    Entry(id="007", question="NaN", answer="null", alternatives=("Inf", "x\\", "y\\|z")),
    Entry(id="..", answer='Two dots,\n"quoted"; tab\there', metadata={"year": 2024, "open": True, "rate": 1.5}),
    Entry(id="a%2Fb", question="'=1+1", answer="'tis", negatives=("-1", "''@b", '["a", "b"]')),
    Entry(id="=1+1", question="=SUM(A1)", answer="+49 is the prefix", alternatives=("@desk",)),
    Entry(id="12", question="#N/A", answer="TRUE", metadata={"q": "x", "prompt": "y", "Lang ": "de", "tags": ["a|b"]}),
    Entry(id="empty", answer="-", metadata={"note": "", "nan": "NaN", "=k": "=v"}),
    Entry(id="draft", answer="a", state="draft", valid_from="2026-01-01", follow_ups=("12", "a|b", "=1+1")),
    Entry(id="old", answer="b", state="archived", valid_until="2026-01-31", metadata={"state": "draft"}),
    Entry(id="named alike", answer="c", metadata={"entry.state": "NY", "entry.follow_ups": 7}),
    Entry(id="passage", answer="no question", metadata={"q": "metadata", "Synonyms": "too", "A": "b"}),
]


def exported(entries: list[Entry], kind: ExportFormat) -> bytes:
    return b"".join(export(entries, kind))


def back(entries: list[Entry], kind: ExportFormat) -> list[Entry]:
    return parse_entries(exported(entries, kind), f"faq.{kind}").entries


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_exported_reads_as_the_same_entries(kind: ExportFormat) -> None:
    assert back(ENTRIES, kind) == ENTRIES


@pytest.mark.parametrize("kind", FORMATS)
def test_importing_an_export_changes_nothing(tmp_path: Path, kind: ExportFormat) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/entries.db")
    store.import_entries(ENTRIES, "replace")
    revision = store.revision()
    read = parse_entries(b"".join(export(store.entries(), kind)), f"faq.{kind}")
    report = store.import_entries(read.entries, "replace")
    assert (report.added, report.updated, report.removed, report.unchanged) == (0, 0, 0, len(ENTRIES))
    assert store.revision() == revision
    store.close()


texts = st.text(
    st.one_of(st.sampled_from(list("=+-@'|\\[]\"`,;\t\n{}aé汉0")), st.characters(exclude_categories=("Cs", "Cc"))),
    max_size=20,
)
names = texts.map(str.strip).filter(lambda text: text and "\n" not in text and "\t" not in text)
values = st.one_of(
    texts.map(str.strip), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats().filter(math.isfinite)
)
any_entries = st.lists(
    st.builds(
        Entry,
        id=names,
        question=texts,
        answer=texts.filter(str.strip),
        alternatives=st.lists(texts, max_size=3),
        negatives=st.lists(texts, max_size=3),
        metadata=st.dictionaries(names.filter(lambda name: name not in RESERVED), values, max_size=3),
    ),
    min_size=1,
    max_size=3,
    unique_by=(lambda entry: entry.id, lambda entry: entry.content_digest),
)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=150, deadline=None)
@given(entries=any_entries)
def test_any_entries_come_back(kind: ExportFormat, entries: list[Entry]) -> None:
    if kind == "xlsx" and any(
        "\ufffe" in entry.model_dump_json() or "\uffff" in entry.model_dump_json() for entry in entries
    ):
        with pytest.raises(InputError, match="XML"):
            exported(entries, kind)
    else:
        assert back(entries, kind) == entries


def test_every_cell_of_a_csv_is_quoted_and_none_is_a_formula() -> None:
    text = exported(ENTRIES, "csv").decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    rewritten = io.StringIO(newline="")
    csv.writer(rewritten, quoting=csv.QUOTE_ALL).writerows(rows)
    assert rewritten.getvalue() == text


def test_excel_takes_a_csv_for_utf_8() -> None:
    assert exported(ENTRIES, "csv").startswith(b"\xef\xbb\xbf")


def test_every_cell_of_a_workbook_is_a_text_and_formulas_are_marked_as_such() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(exported(ENTRIES, "xlsx"))).worksheets[0]
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    marked = [cell.value for cell in cells if cell.quotePrefix]
    assert "=SUM(A1)" in marked
    assert all(str(value).lstrip("'")[0] in "=+-@" for value in marked)


def test_what_a_cell_of_excel_cannot_hold_is_refused_by_name() -> None:
    entry = Entry(id="long", answer="a", alternatives=tuple(f"{i} {'x' * 900}" for i in range(40)))
    with pytest.raises(InputError, match=r"`long` has 36,\d+ characters in `alternatives`.*csv or jsonl"):
        export([entry], "xlsx")
    assert back([entry], "csv") == [entry]


def test_the_name_of_a_file_says_its_format() -> None:
    assert [export_format(name) for name in (None, "a.CSV", "b.xlsx", "c.jsonl")] == ["jsonl", "csv", "xlsx", "jsonl"]
    with pytest.raises(InputError, match=r"\.jsonl, \.csv, \.xlsx"):
        export_format("faq.txt")
