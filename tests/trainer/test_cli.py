"""The command line as a user meets it, in a process of its own."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from trainer.__main__ import main
from trainer.cli.fit import RecipeOptions
from trainer.recipes import RECIPES, recipe_named
from trainer.runs import Run


def trainer(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "trainer", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_the_last_line_is_the_runs_directory(faq_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    done = trainer("fit", "--data", str(faq_file), "--base", str(tiny_base), "--epochs", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    directory = tmp_path / done.stdout.splitlines()[-1]
    assert (directory / "bundle" / "manifest.json").is_file()
    assert directory.parent.name == "runs"
    assert "int8" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "--data", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["fit", "--data", "faq.jsonl", "--recipe", "unheard-of"], "No recipe is called `unheard-of`"),
        (["fit", "--data", "faq.jsonl", "--epochs", "-1"], "epochs must be positive"),
        (["fit", "--data", "faq.jsonl", "--recipe", "groups", "--hard-lr", "1"], "no option hard_learning_rate"),
        (["fit", "--data", "faq.jsonl", "--matryoshka", "a"], "Dimensions must be whole numbers"),
        (["fit", "--resume", "nowhere"], "There is no run `nowhere`"),
        (["evaluate", "--bundle", "nowhere", "--queries", "q.jsonl", "--index", "i.jsonl"], "nowhere is no bundle"),
        (["runs", "status", "nowhere"], "There is no run `nowhere`"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    faq_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(faq_file.parent)
    monkeypatch.setattr(sys, "argv", ["trainer", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    assert caught.value.code == 2
    assert message in shown.err
    assert "Traceback" not in shown.err


def test_options_of_fit_change_the_fields_of_the_recipe() -> None:
    names = {name for recipe in RECIPES.values() for name in recipe.options()}
    assert {field.name for field in fields(RecipeOptions)} <= names
    options = RecipeOptions(learning_rate=0.5, dimensions="64,32", gradient_checkpointing=True)
    changed = options.changed(recipe_named("default"))
    assert changed == replace(
        recipe_named("default"),
        learning_rate=0.5,
        dimensions=(64, 32),  # type: ignore[call-arg]  # of the type of this recipe
        gradient_checkpointing=True,
    )
    assert RecipeOptions().changed(recipe_named("groups")) == recipe_named("groups")


def test_runs_are_listed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.create({}, Path("runs/first"))
    run.update(state="succeeded", step=7, steps=7)
    (run.directory / "log").write_text("hello\n", encoding="utf-8")
    for arguments in (["runs"], ["runs", "list"], ["runs", "status", "first"], ["runs", "logs", "first", "-f"]):
        monkeypatch.setattr(sys, "argv", ["trainer", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.count("first") >= 2
    assert '"step": 7' in shown
    assert shown.endswith("hello\n")
