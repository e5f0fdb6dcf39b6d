import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.errors import BundleError
from app.knowledge.queries import Query
from tests.trainer.conftest import faq, write_faq
from tests.trainer.evaluation.test_evaluate import asked_of, outcomes
from trainer.__main__ import main
from trainer.reports import compare
from trainer.reports import tables as report
from trainer.runs import Run


def test_which_questions_got_better_and_which_worse(words: Bundle) -> None:
    entries = faq(12, 2)
    asked = asked_of(entries)
    before = outcomes(words, entries, [replace(asked[0], question="the tent"), *asked[1:]])
    after = outcomes(words, entries, [asked[0], replace(asked[1], question="the tent"), *asked[2:]])
    comparison = compare.compared(before, after)
    assert (comparison["better"], comparison["worse"], comparison["same"]) == (1, 1, 10)
    assert (comparison["now_first"], comparison["no_longer_first"], comparison["sign_test_p"]) == (1, 1, 1.0)
    first, last = comparison["questions"][0], comparison["questions"][-1]
    assert (first["change"], first["b"]["rank"]) == ("better", 1)
    assert first["a"]["rank"] > 1
    assert first["right"]["id"] == first["b"]["top"][0]["id"] == entries[0].id
    assert (last["change"], last["a"]["rank"]) == ("worse", 1)
    assert comparison["differences"]["precision@1"]["mean"] == 0
    assert comparison["differences"]["precision@1"]["p"] == 1


def test_questions_that_nothing_answers_change_by_being_refused(words: Bundle) -> None:
    entries = faq(12, 2)
    asked = [Query(f"{entries[0].question} thanks", faq_id=entries[0].id), Query("what is love")]
    before = replace(outcomes(words, entries, asked), threshold=0.0)
    after = replace(outcomes(words, entries, asked), threshold=1.0)
    comparison = compare.compared(before, after)
    assert (comparison["now_refused"], comparison["no_longer_refused"]) == (1, 0)
    assert (comparison["better"], comparison["worse"], comparison["same"]) == (0, 0, 1)
    assert comparison["questions"][0]["right"] is None
    assert comparison["differences"]["refused"]["mean"] == 1


def test_the_command_on_a_run_and_a_bundle(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    run = Run.create({}, Path("runs/first"))
    run.bundle.symlink_to(tiny_bundle.directory, target_is_directory=True)
    entries = faq(20, 2)
    write_faq(tmp_path / "faq.jsonl", entries)
    rows = [{"question": query.question, "faq_id": query.faq_id, **query.tags} for query in asked_of(entries)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ["--queries", "queries.jsonl", "--index", "faq.jsonl", "--by", "style", "--json", "out.json"]
    monkeypatch.setattr(sys, "argv", ["trainer", "compare", "first", str(tiny_bundle.directory), *options])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "do not differ significantly" in shown
    assert "by style" in shown
    comparison = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert comparison["a"]["bundle"] == comparison["b"]["bundle"] == tiny_bundle.revision
    assert len(comparison["questions"]) == 22
    assert {question["change"] for question in comparison["questions"]} == {"same"}


def test_what_changed_is_shown(
    words: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    entries = faq(40, 2)
    asked = asked_of(entries)
    before = outcomes(words, entries, [replace(query, question=f"the tent [/] {i}") for i, query in enumerate(asked)])
    after = outcomes(words, entries, [replace(query, question=f"{query.question} [/]") for query in asked])
    comparison = compare.compared(before, after)
    for name, results in (("a", before), ("b", after)):
        comparison[name] = {"name": f"[{name}]", "recipe": "r", "bundle": "0", "figures": report.figured(results)}
    compare.show(comparison, 2)
    shown = capsys.readouterr().out
    assert "B puts the right answer first more often" in shown
    assert "better with B: 2 of" in shown
    assert "A: [a] (r, 0)" in shown
    assert "the tent [/]" in shown
    assert "✓" in shown


def test_a_name_of_no_bundle_and_no_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="nowhere is no bundle"):
        compare.bundle_named("nowhere")
