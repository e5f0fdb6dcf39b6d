"""Each format beyond the plain case: delimiters, quotes, wrong names, wrappers, and what is refused in words."""

import csv
import io
import json

import pytest
from openpyxl import Workbook

from app.errors import FileError, Place
from app.knowledge.files import EntryFile, parse_entries
from app.knowledge.queries import read_queries
from app.knowledge.readers.options import ReadOptions, mapping_of
from trainer.data.queries import read_labelled


def parse(text: str | bytes, name: str, **options: object) -> EntryFile:
    data = text.encode() if isinstance(text, str) else text
    return parse_entries(data, name, ReadOptions(**options))  # type: ignore[arg-type]


def reasons(text: str | bytes, name: str, **options: object) -> list[str]:
    with pytest.raises(FileError) as caught:
        parse(text, name, **options)
    return [str(row).removeprefix(name) for row in caught.value.rows]


def texts(file: EntryFile) -> list[tuple[str, str]]:
    return [(entry.question, entry.answer) for entry in file.entries]


def workbook(*rows: list[object], title: str = "FAQ") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", "§"])
def test_csv_of_any_delimiter(delimiter: str) -> None:
    text = f"Question{delimiter}Answer\nq{delimiter}a\n"
    assert texts(parse(text, "faq.csv")) == [("q", "a")]


def test_columns_can_be_mapped_and_ambiguous_ones_are_named() -> None:
    text = "Frage;Antwort;q\nf;a;m\n"
    mapped = parse(text, "faq.csv", mapping=mapping_of(["question=Frage", "answer=Antwort"]))
    assert texts(mapped) == [("f", "a")]
    assert mapped.mapping == {"Frage": "question", "Antwort": "answer"}
    assert reasons(text, "faq.csv") == [
        ":1: needs a column `answer`; the header has `Frage`, `Antwort`, `q`. If one of these is meant, "
        "map it: answer=COLUMN"
    ]
    assert reasons("prompt,query,answer\n", "faq.csv") == [
        ":1: `prompt`, `query` could each be the `question`; say which, such as question=prompt"
    ]
    assert reasons("a,answer\n", "faq.csv", mapping={"question": "x"}) == [
        ":1: there is no column `x` to read as `question`; the header has `a`, `answer`"
    ]
    with pytest.raises(ValueError, match="must be written as FIELD=COLUMN"):
        mapping_of(["question"])


def test_alternatives_are_split_at_pipes_unless_escaped_or_in_a_json_array() -> None:
    text = 'answer,alternatives\na,x|y\nb,x\\|y|z\nc,"[""p|q"", ""r""]"\nd,[sic]\n'
    assert [entry.alternatives for entry in parse(text, "faq.csv").entries] == [
        ("x", "y"), ("x|y", "z"), ("p|q", "r"), ("[sic]",)
    ]  # fmt: skip


def test_a_text_of_several_lines_is_read_where_its_lines_could_not_be_rows() -> None:
    text = 'question,answer\nq,"Dear reader,\nwe are open\nBye, all"\n'
    assert texts(parse(text, "faq.csv")) == [("q", "Dear reader,\nwe are open\nBye, all")]


def test_a_file_whose_every_cell_is_quoted_is_not_suspected() -> None:
    rows = [["question", "answer"], ["q", 'one,two\nthree,"four"\nfive,six'], ["r", ""], ["s", "t"]]
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(rows[:2] + rows[3:])
    assert len(parse(stream.getvalue(), "faq.csv").entries) == 2
    assert "closes it" in reasons(stream.getvalue().replace('"s"', "s"), "faq.csv")[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('question,answer\nq,"a\nr,"b\n', "a cell that begins on line 2 and is closed on line 3"),
        ('question,answer\nq,"a\nr,b\n', "the quote that opens a cell of the row on line 2 is never closed"),
        ('x,question,answer\n1,"a,b\n2,c",d\n', "a quote opens a cell on line 2 and one on line 3 closes it"),
    ],
)  # fmt: skip
def test_quotes_that_do_not_match_are_named_with_their_lines(text: str, reason: str) -> None:
    assert reason in reasons(text, "faq.csv")[0]


def test_content_below_an_unnamed_column_is_warned_of() -> None:
    file = parse("question,answer,\nq,a,x\n", "faq.csv")
    assert str(file.warnings[0]) == "line 2: column 3 has no name in the header; its content is not taken"


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("faq.csv", '{"question": "q", "answer": "a"}\n', "JSON lines"),
        ("faq.json", "question;answer\nq;a\n", "CSV with `;`"),
        ("faq", "question,answer\nq,a\n", "CSV"),
        ("faq.txt", "- question: q\n  answer: a\n", "YAML"),
        ("faq.txt", "# q\n\na\n", "Markdown"),
        ("faq.csv", "<html><details><summary>q</summary>a</details></html>", "HTML"),
        ("faq.jsonl", '[{"question": "q", "answer": "a"}]', "JSON"),
        ("faq.jsonl", '{\n "faqs": [\n  {"question": "q",\n   "answer": "a"}\n ]\n}', "JSON"),
        ("faq.json", '{"_meta": 1, "faqs": [{"question": "q", "answer": "a"}]}', "JSON"),
    ],
)
def test_the_content_decides_where_the_name_is_wrong_or_missing(name: str, text: str, format: str) -> None:
    file = parse(text, name)
    assert (file.format, texts(file)) == (format, [("q", "a")])


def test_a_workbook_under_any_name() -> None:
    data = workbook(["Question", "Answer", "n"], ["q", 12, 1.5], [], [None, "b", True], ["r", "c", "#REF!"])
    file = parse(data, "faq.csv")
    assert [(e.question, e.answer, e.metadata) for e in file.entries] == [
        ("q", "12", {"n": 1.5}),
        ("", "b", {"n": True}),
        ("r", "c", {}),
    ]
    assert [(warning.kind, warning.places) for warning in file.warnings] == [("not_taken", (Place(5, "row", "FAQ"),))]
    assert reasons(workbook(["question"], ["q"]), "faq.xlsx")[0].startswith(": row 1 of sheet `FAQ`: needs a column")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("faq.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Office file"),
        ("faq.pdf", b"%PDF-1.7 x", "is a PDF file"),
        ("faq.xlsx", b"PK\x03\x04 x", "is not an XLSX workbook"),
        (
            "faq.txt",
            b"Just some words.",
            "is in no format that is read; these are JSON, CSV, XLSX, YAML, Markdown, HTML",
        ),
        ("faq.html", b"<html><p>x</p></html>", "has no questions: neither schema.org's FAQPage nor `details`"),
        ("faq.md", b"Just some words.", "has no headings"),
        ("faq.yml", b"- question: !!python/object:x y\n", "the tag `tag:yaml.org,2002:python/object:x` is not read"),
        ("faq.yml", b"- a: [1\n", "broken YAML"),
        ("faq.json", b'{"a": [{"b": 1}], "c": [{"d": 1}]}', "holds 2 lists of objects: `a`, `c`"),
        ("faq.json", b'{"a": 1, "answer": "x", "a": 2}', "has the key `a` twice"),
    ],
)
def test_what_cannot_be_read_is_refused_once_and_in_words(name: str, data: bytes, reason: str) -> None:
    (said,) = reasons(data, name)
    assert reason in said


def test_a_broken_document_is_one_message() -> None:
    text = json.dumps({"faqs": [{"question": "q", "answer": "a"}] * 500}, indent=1)
    (said,) = reasons(text[:-10], "faq.jsonl")
    assert said.startswith(":2001: broken JSON")


def test_rows_with_the_same_mistake_are_one_line_of_the_message() -> None:
    with pytest.raises(FileError) as caught:
        parse('{"question": "q"}\n' * 1_158, "faq.jsonl")
    assert len(caught.value.rows) == 1_158
    assert str(caught.value).splitlines()[1:] == [
        "faq.jsonl:1: needs `answer`; it has `question` (also lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …: 1,158 in all)"
    ]


def test_yaml_texts_stay_as_they_are_written() -> None:
    text = "d: &d {lang: de}\nfaqs:\n- id: 007\n  question: 12:30\n  answer: No\n  n: 2\n  <<: *d\n"
    (entry,) = parse(text, "faq.yaml").entries
    assert (entry.id, entry.question, entry.answer, entry.metadata) == ("007", "12:30", "No", {"n": 2, "lang": "de"})


def test_markdown_text_that_no_question_holds_is_warned_of() -> None:
    text = "# FAQ\n\nintro\n\n## a *b* `c`\n\n```\n# no heading\n```\n\n## empty\n\nd\n===\ne\n"
    file = parse(text, "faq.md")
    assert texts(file) == [("a b c", "```\n# no heading\n```"), ("d", "e")]
    assert [(warning.kind, warning.places) for warning in file.warnings] == [
        ("not_taken", (Place(1),)), ("not_taken", (Place(11),))
    ]  # fmt: skip


def test_microdata_nested_details_and_repeats_on_a_page() -> None:
    item = '<div itemscope itemtype="https://schema.org/Question"><h3 itemprop="name">m</h3>'
    page = (
        f'<body>{item}<div itemprop="acceptedAnswer"><div itemprop="text"><ul><li>x</ul></div></div></div>'
        "<details><summary>Section</summary><details><summary>a <b>b</b></summary>1 &lt; 2</details></details>"
        "<details><summary>m</summary>again</details></body>"
    )
    file = parse(page, "faq.html")
    assert texts(file) == [("m", "<ul><li>x</li></ul>"), ("a b", "1 < 2")]
    assert file.places[file.entries[1].id] == Place(2, "element")


def test_one_qna_id_with_two_answers_is_an_error() -> None:
    text = "Question\tAnswer\tQnaId\nq\ta\t1\nr\tb\t1\n"
    assert reasons(text, "kb.tsv") == [":3: the QnaId 1 is on line 2 too, with another answer"]


def test_queries_and_labels_are_read_from_every_table(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "q.xlsx").write_bytes(workbook(["Question", "faq_id"], ["q", 7], ["r", None]))
    assert [(query.question, query.faq_id) for query in read_queries(folder / "q.xlsx")] == [("q", "7"), ("r", None)]
    (folder / "l.tsv").write_text("Text\tLabel\nx\tnull\n", encoding="utf-8")
    assert [(row.text, row.label) for row in read_labelled(folder / "l.tsv")] == [("x", "null")]
