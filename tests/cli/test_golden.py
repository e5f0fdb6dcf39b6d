"""The commands around golden questions, from import to override."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import cli
from app.settings import Settings
from tests.conftest import FAQ, fill


@pytest.fixture
def environment(published: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in published.environment().items():
        monkeypatch.setenv(name, value)
    return published


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={"COLUMNS": "200"})


def test_a_release_is_measured_blocked_compared_and_activated_from_the_command_line(
    environment: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "golden.jsonl"
    file.write_text(
        '{"question": "When will I get my refund?", "faq_id": "refund"}\n{"question": "x", "faq_id": null}\n'
    )
    assert "2 added, 0 updated" in run("golden", "import", str(file), "--dry-run").output
    assert "2 added, 0 updated, 0 unchanged." in run("golden", "import", str(file)).output
    assert [json.loads(line)["faq_id"] for line in run("golden", "export").output.splitlines()] == ["refund", None]
    assert run("golden", "export", str(tmp_path / "golden.csv")).exit_code == 0
    assert "0 added, 0 updated, 2 unchanged" in run("golden", "import", str(tmp_path / "golden.csv")).output
    assert run("golden", "export", str(tmp_path / "golden.txt")).exit_code == 2
    assert "2 of 2 right." in run("golden", "run").output

    fill(environment, [FAQ[0].model_copy(update={"question": "What is a gift?", "alternatives": ()}), *FAQ[1:]])
    refused = run("reindex")
    assert refused.exit_code == 2
    blocked, live = json.loads(run("releases", "--json").output)
    assert (blocked["blocked"], blocked["active"], live["active"]) == (True, False, True)
    measured = run("golden", "run", "--release", blocked["name"]).output
    assert "1 of 2 right, 1 of the wrong ones are right in the active release." in measured
    table = run("releases", "compare", live["name"], blocked["name"]).output
    assert "2 golden questions: 0 better, 1 worse, 0 changed, 1 same." in table
    compared = json.loads(run("releases", "compare", live["name"], blocked["name"], "--json").output)
    assert [item["verdict"] for item in compared] == ["worse", "same"]
    assert run("releases", "activate", blocked["name"]).exit_code == 2
    assert run("releases", "activate", blocked["name"], "--override").exit_code == 0
    assert run("releases", "activate", live["name"]).exit_code == 0
    assert run("reindex").exit_code == 2
    assert run("reindex", "--override").output.strip() == f"Active: {blocked['name']}"
