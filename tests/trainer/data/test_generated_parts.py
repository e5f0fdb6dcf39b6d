"""TSV parts: what is written is read back, and what is no pair is skipped and counted."""

from pathlib import Path

import pytest

from app.errors import InputError
from trainer.data import generated_parts as parts
from trainer.data.generated_parts import Asked


def test_tabs_and_line_breaks_do_not_break_a_part(tmp_path: Path) -> None:
    parts.write(tmp_path, 3, [Asked("what\tis it?", "a\nb\r\nc\u2028d"), Asked(" why ", "because")])
    assert (tmp_path / "part-00003.tsv").read_text() == "what is it?\ta b c d\nwhy\tbecause\n"
    assert parts.read(tmp_path) == ([Asked("what is it?", "a b c d"), Asked("why", "because")], [])


def test_parts_are_read_in_order(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        parts.write(tmp_path, number, [Asked(f"q{number}", "p")])
    assert [pair.query for pair in parts.read(tmp_path).pairs] == ["q1", "q2", "q10"]


def test_lines_without_a_pair_are_skipped_and_said(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("a question\ta passage\nno tab here\n\n\tno query\nno passage\t\nq\tp\twith a tab\n")
    read = parts.read(path)
    assert read.pairs == [Asked("a question", "a passage"), Asked("q", "p\twith a tab")]
    assert [(row.line, row.reason) for row in read.skipped] == [
        (number, "is not `query<TAB>passage`") for number in (2, 4, 5)
    ]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is neither a TSV file nor a directory with TSV files"):
        parts.read(tmp_path)
    (tmp_path / "bad.tsv").write_bytes(b"\xff\xfe\t")
    with pytest.raises(InputError, match=r"bad.tsv is not UTF-8"):
        parts.read(tmp_path)
