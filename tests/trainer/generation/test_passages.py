"""From files to passages: every format, the cuts, the duplicates, the errors."""

import json
from pathlib import Path

import pytest

from app.errors import FileError, InputError
from trainer.generation import passages

LONG = " ".join(f"Sentence number {i} says something about the shop." for i in range(40))


def test_every_format_gives_the_same_passages(tmp_path: Path) -> None:
    texts = ["You may return goods within thirty days.", "A refund takes five working days."]
    (tmp_path / "faq.jsonl").write_text(
        "".join(json.dumps({"id": f"a{i}", "answer": text}) + "\n" for i, text in enumerate(texts))
    )
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "table.csv").write_text("passage,n\n" + "".join(f"{text},1\n" for text in texts))
    (tmp_path / "plain.txt").write_text("\n\n".join(texts))
    (tmp_path / "page.md").write_text("# Returns\n\n" + "\n\n".join(texts))
    (tmp_path / "page.html").write_text("<body>" + "".join(f"<p>{text}</p>" for text in texts) + "</body>")
    for name in ("faq.jsonl", "rows.jsonl", "table.csv"):
        assert passages.read(tmp_path / name) == texts, name
    for name in ("plain.txt", "page.md", "page.html"):  # short paragraphs stay together
        assert " ".join(passages.read(tmp_path / name)).removeprefix("# Returns ") == " ".join(texts), name


def test_a_directory_gives_the_passages_of_all_its_files_without_repeats(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_text("You may return goods within thirty days.")
    (tmp_path / "inner" / "b.md").write_text("you may RETURN goods  within thirty days.")
    (tmp_path / "inner" / "c.html").write_text("<p>A refund takes five working days.</p>")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    assert passages.read(tmp_path) == ["You may return goods within thirty days.", "A refund takes five working days."]


def test_long_texts_are_cut_between_sentences(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(LONG)
    pieces = passages.read(tmp_path / "long.txt", length=200)
    assert " ".join(pieces) == LONG
    assert all(len(piece) <= 200 and piece.startswith("Sentence") and piece.endswith("shop.") for piece in pieces)


def test_markdown_is_cut_at_its_headings(tmp_path: Path) -> None:
    sections = [f"## Topic {i}\n\nThis section tells everything about topic {i}, at some length." for i in range(3)]
    (tmp_path / "page.md").write_text("\n\n".join(sections))
    assert [piece.split(" This")[0] for piece in passages.read(tmp_path / "page.md", length=90)] == [
        "## Topic 0", "## Topic 1", "## Topic 2",
    ]  # fmt: skip


def test_navigation_and_scripts_of_an_html_page_are_dropped() -> None:
    page = """<html><head><style>p {}</style></head><body><nav>Home</nav><h1>Returns &amp; refunds</h1>
        <p>You <b>may</b> return<br>goods.</p><table><tr><td>Fee<td>none</table>
        <script>track()</script></body></html>"""
    assert passages.text_of_html(page).split("\n\n") == ["Returns & refunds", "You may return goods.", "Fee none"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("faq.jsonl", '{"question": "no text"}\n', r"faq.jsonl:1: needs a text in one of `answer`, `text`, `passage`"),
        ("faq.jsonl", '{"text": 7}\n', "faq.jsonl:1: needs a text"),
        ("short.txt", "Thank you.", "no passage of 4 words"),
        ("photo.png", "x", "must end in one of"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        passages.read(tmp_path / name)


def test_the_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes(b"one line\nein sch\x81\xffner Satz")
    with pytest.raises(FileError, match=r"old.txt:2: not UTF-8"):
        passages.read(tmp_path / "old.txt")


def test_a_directory_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no file"):
        passages.read(tmp_path)
