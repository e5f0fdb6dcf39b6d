"""`python -m trainer generate`, as it is typed."""

import sys
from pathlib import Path

import pytest

from tests.trainer.generation.conftest import passages
from trainer.__main__ import main
from trainer.data import generated_parts as parts


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_a_folder_of_documents_becomes_pairs(
    tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("\n\n".join(passages(4)))
    (tmp_path / "docs" / "b.html").write_text(f"<p>{passages(5)[4]}</p>")
    command = ("generate", "--model", tiny_t5, "--passages", tmp_path / "docs", "--out", tmp_path / "out")
    assert typed(monkeypatch, *command, "--queries-per-passage", 2, "--length", 90) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == str(tmp_path / "out")
    assert "5 passages; of 5 pieces 0 repeat others" in shown.err
    assert "10 queries were made" in shown.err
    assert {pair.passage for pair in parts.read(tmp_path / "out").pairs} <= set(passages(5))
    assert typed(monkeypatch, *command, "--queries-per-passage", 3, "--length", 90) == 2
    assert "Choose another --out" in " ".join(capsys.readouterr().err.split())


def test_an_invalid_setting_is_refused_before_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("generate", "--model", "t5", "--passages", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert typed(monkeypatch, *command, "--top-p", 1.5) == 2
    assert "top_p" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
