"""The files that people export, type and scrape: what is read of each, or with which words it is refused."""

from pathlib import Path

import pytest

from app.errors import FileError, Place
from app.knowledge.files import EntryFile, parse_entries, read_entries
from app.knowledge.readers.options import ReadOptions

FILES = Path(__file__).parents[2] / "data" / "files"
QUESTIONS = [
    "How long may I keep a book?",
    "Do you lend tablets?",
    "May I eat in the hall?",
    "Where do I return films?",
    "Is there parking?",
]
ANSWERS = [
    "Four weeks, and twice as long if nobody waits for it.",
    "Yes, for two weeks, with a card that is a year old.",
    'Cold food, yes; "hot" meals, no.',
    "In the red box; it is emptied at 8, 12 and 16 o'clock.",
    "Behind the building, two hours free.",
]


def read(name: str, **options: object) -> EntryFile:
    return read_entries(FILES / name, ReadOptions(**options))  # type: ignore[arg-type]


def kinds(file: EntryFile) -> list[str]:
    return [warning.kind for warning in file.warnings]


@pytest.mark.parametrize(
    ("name", "format", "mapping", "warned"),
    [
        ("caps_headers.csv", "CSV", {"Question": "question", "Answer": "answer"}, []),
        ("commas_in_header.csv", "CSV with `;`", {"question": "question", "answer": "answer"}, []),
        ("details.html", "HTML", {}, []),
        ("excel_sep_line.csv", "CSV with `;`", {"question": "question", "answer": "answer"}, []),
        ("faq.xlsx", "XLSX", {"Question": "question", "Answer": "answer"}, ["not_taken"]),
        ("faq.yml", "YAML", {}, []),
        ("faqpage.html", "HTML", {}, []),
        ("prompt_response.csv", "CSV", {"prompt": "question", "response": "answer"}, []),
        ("spaced_headers.csv", "CSV", {"question": "question", "answer": "answer"}, []),
        ("trailing_columns.csv", "CSV with `;`", {"question": "question", "answer": "answer"}, []),
        ("wrapped.json", "JSON", {}, []),
        ("wrapped_questions.json", "JSON", {}, []),
    ],
)
def test_the_same_five_entries_in_every_format(
    name: str, format: str, mapping: dict[str, str], warned: list[str]
) -> None:
    file = read(name)
    assert [entry.question for entry in file.entries] == QUESTIONS
    assert [entry.answer for entry in file.entries] == ANSWERS
    assert (file.format, file.mapping, kinds(file), file.merged) == (format, mapping, warned, [])


def test_every_file_is_tested_here() -> None:
    assert len(list(FILES.iterdir())) == 28
    text = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in FILES.iterdir() if f'"{path.name}"' not in text] == []


@pytest.mark.parametrize(
    ("name", "encoding", "guessed", "question", "answer"),
    [
        ("cp1252.csv", "cp1252", True, "Darf ich „Zeitschriften“ ausleihen?", "Ja"),
        ("gb18030.csv", "gb18030", True, "如何办理借书证？", "请携带身份证"),
        ("utf16.csv", "utf-16", False, "Quel est le prix ?", "25 €"),
    ],
)  # fmt: skip
def test_encodings(name: str, encoding: str, guessed: bool, question: str, answer: str) -> None:
    file = read(name)
    assert (file.encoding, file.guessed) == (encoding, guessed)
    assert (file.entries[-1].question, file.entries[-1].answer) == (question, answer)
    assert kinds(file) == (["encoding"] if guessed else [])


def test_the_columns_beside_question_and_answer_are_metadata() -> None:
    assert read("caps_headers.csv").entries[0].metadata == {"Class": "loans"}
    assert read("commas_in_header.csv").entries[0].metadata == {"notes, internal, not shown": "x"}


def test_a_sheet_can_be_chosen_and_its_dates_are_iso_texts() -> None:
    file = read("faq.xlsx")
    assert file.entries[0].metadata == {"Valid from": "2026-01-01"}
    assert file.places[file.entries[0].id] == Place(2, "row", "FAQ")
    assert str(file.warnings[0]) == "sheet `FAQ` is read; not `notes` (choose with --sheet)"
    with pytest.raises(FileError, match=r"has no sheet `x`; its sheets are `FAQ`, `notes`"):
        read("faq.xlsx", sheet="x")


def test_one_question_with_different_answers_is_warned_of_and_equal_rows_are_merged() -> None:
    file = read("conflicts.jsonl")
    assert len(file.entries) == 4
    (warning,) = file.warnings
    assert (warning.kind, warning.count, warning.places) == ("different_answers", 3, (Place(1), Place(2), Place(3)))
    assert [merged.places for merged in file.merged] == [(Place(4), Place(5))]


def test_markdown_headings_are_questions_and_front_matter_is_metadata() -> None:
    file = read("faq.md")
    assert [entry.question for entry in file.entries] == QUESTIONS
    first = file.entries[0]
    assert first.answer == f"{ANSWERS[0]} See [the desk](https://library.example/desk).\n\n- one\n- two"
    assert first.metadata == {"title": "Library", "section": "Loans"}
    assert file.places[first.id] == Place(9)


def test_what_begins_like_a_formula_stays() -> None:
    first, second = read("formulas.csv").entries
    assert (first.question, first.answer) == ("=SUM(A1) in the lending sheet?", "=SUM adds, as in any sheet")
    assert (second.question, second.answer) == ("+49 numbers?", "+49 is the prefix; -1 is none; @desk is the handle")


def test_html_and_literal_line_breaks_in_answers_are_warned_of() -> None:
    html, escape = read("html_answers.jsonl").warnings
    assert (html.kind, html.count, escape.kind, escape.places) == ("html", 2, "escape", (Place(2),))


def test_ids_stay_as_they_are() -> None:
    ids = [entry.id for entry in read("ids.jsonl").entries]
    assert ids == ["fees/late fee?#1", "Где/карта", "007", "..", "a%2Fb", "12"]


def test_the_rows_of_a_tag_are_one_intent_and_other_responses_are_named() -> None:
    file = read("intents.json")
    parking, hours = file.entries
    assert (parking.id, parking.phrasings) == ("parking", ("Is there parking?", "where can I park"))
    assert (hours.answer, hours.alternatives) == ("At nine.", ("opening hours", "are you open on sunday"))
    assert list(map(str, file.warnings)) == [
        "line 25: the tag `hours` is on line 14 too; the rows are one entry",
        "line 3: the first response is the answer; not taken: “Two hours are free behind the building.”",
        "line 14: the first response is the answer; not taken: “On Sundays from one.”",
    ]


def test_mojibake_is_warned_of_and_repaired_on_demand() -> None:
    file = read("mojibake.jsonl")
    assert [(warning.kind, warning.count) for warning in file.warnings] == [("mojibake", 2)]
    repaired = read("mojibake.jsonl", fix_mojibake=True)
    assert [entry.question for entry in repaired.entries] == ["What is the library’s address?", "Is the café open?"]
    assert repaired.entries[0].answer == "It’s on Lake Street – number 5."
    assert (
        str(repaired.warnings[0]) == "line 1: was decoded in the wrong encoding; its text is repaired (1 more: line 2)"
    )


def test_nan_null_and_inf_are_texts_in_questions_and_answers() -> None:
    entries = read("nan.csv").entries
    assert [entry.question for entry in entries] == ["NaN", "What is Inf?", "Who wrote Null?"]
    assert [entry.answer for entry in entries][1:] == ["Inf", "null"]


def test_a_single_cell_that_is_split_is_warned_of() -> None:
    file = read("pipe.csv")
    assert file.entries[0].question == "How do I use the | key in the catalogue?"
    assert file.entries[0].alternatives == ("what does a", "b find", "pipe sign in searches")
    assert [(warning.kind, warning.places) for warning in file.warnings] == [("pipe", (Place(2),))]


def test_qnabot_items_are_entries_with_their_markdown() -> None:
    file = read("qnabot.json")
    assert file.format == "QnABot"
    assert [entry.question for entry in file.entries] == QUESTIONS
    first = file.entries[0]
    assert (first.id, first.answer, first.metadata) == ("Library.0", f"**{ANSWERS[0]}**", {"t": "loans"})
    assert first.alternatives == ("how long may i keep a book",)


def test_the_rows_of_a_qna_id_are_one_entry() -> None:
    file = read("qnamaker.tsv")
    assert file.format == "QnA Maker"
    assert [entry.question for entry in file.entries] == QUESTIONS
    first = file.entries[0]
    assert (first.id, first.answer) == ("1", f"{ANSWERS[0]}\n\n*more at the desk*")
    assert (first.alternatives, first.metadata) == (
        ("how long may i keep a book?",),
        {"topic": "loans", "source": "Editorial"},
    )
    assert kinds(file) == []


@pytest.mark.parametrize("name", ["swallowed_quotes.csv", "swallowed_quotes.tsv"])
def test_a_cell_that_swallowed_rows_is_refused_with_both_lines(name: str) -> None:
    with pytest.raises(FileError, match="a quote opens a cell on line 2 and one on line 5 closes it") as caught:
        read(name)
    assert [row.place for row in caught.value.rows] == [Place(2)]
    meant = read(name, allow_multiline=True)
    assert [entry.question for entry in meant.entries] == ["May I bring a dog?", "Is there a cloakroom?"]


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ('A?,"Dogs, yes\nB?,No.\n\nC?,In a cage.\nD?,It is 30"', 6),
        ('A?,"Dogs, yes\n\nB?,No.\nD?,It is 30"', 5),
        ('A?,"Dogs, yes\n   \nB?,No.\nD?,It is 30"', 5),
        ('A?,"Dogs, yes\n,\nB?,No.\nD?,It is 30"', 5),
        ('A?,"Dogs, yes\n\nD?,It is 30"', 4),
        ('"A?,Dogs\nB?,No.\n\nD 30",It is', 5),
        ('A?, yes\nB?,"Dogs\nC?, No.\nD?, It is 30"', 5),
    ],
)
def test_empty_lines_and_spaces_do_not_hide_swallowed_rows(rows: str, last: int) -> None:
    with pytest.raises(FileError, match=rf"line {last}\b|:{last}: "):
        parse_entries(f"question,answer\n{rows}\nE?,Yes\n".encode(), "faq.csv")


@pytest.mark.parametrize(
    "answer",
    [
        "Hello, friend,\nwe open at 8, as ever.\nBye, the desk",
        "Hello, friend,\nwe open at 8, as ever.",
        "Bring these:\n- a card, if you have one\n- a friend, perhaps",
        "Write to us, please:\n\nLibrary, Hall 3\nMain street, 5",
    ],
)
def test_sentences_with_commas_over_several_lines_are_an_answer(answer: str) -> None:
    file = parse_entries(f'question,answer\nA?,"{answer}"\nE?,Yes\n'.encode(), "faq.csv")
    assert [entry.answer for entry in file.entries] == [answer, "Yes"]
