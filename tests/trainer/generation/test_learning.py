"""The recipe `generator` on a tiny encoder: from a FAQ to a model that asks; interrupted and resumed."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.errors import FileError, InputError
from tests.trainer.generation.conftest import pairs, passages
from trainer import fit
from trainer.generation import learning, parts
from trainer.generation import pairs as reading
from trainer.generation.asking import Seq2Seq, asker_of
from trainer.generation.learning import Collator
from trainer.generation.model import QuestionGenerator
from trainer.generation.parts import Asked
from trainer.generation.sampling import Sampling
from trainer.recipes import RECIPES
from trainer.runs import Run
from trainer.training.loop import Interrupted

RECIPE = replace(RECIPES["generator"], epochs=2, batch_size=32, learning_rate=3e-3, bf16=False)


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    """220 questions and their answers."""
    path = tmp_path / "faq.jsonl"
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in pairs(220)))
    return path


def test_from_a_faq_to_a_model_that_asks(faq: Path, tiny_base: Path, tmp_path: Path) -> None:
    run = fit.start(faq, None, str(tiny_base), RECIPE, tmp_path / "run")
    status = run.status()
    assert (status.state, status.step, status.steps) == ("succeeded", 14, 14)  # 209 questions, 7 batches an epoch
    lines = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    measured = [line["metrics"]["heldout_loss"] for line in lines if "metrics" in line]
    assert len(measured) == 3
    assert measured[-1] < measured[0]
    assert not (run.directory / "checkpoints").exists()
    asker = asker_of(str(run.directory))
    assert isinstance(asker, Seq2Seq)
    found = asker.ask(passages(2), Sampling(3), 0)
    assert [len(some) for some in found] == [3, 3]
    assert all(isinstance(text, str) for some in found for text in some)


def test_the_best_epoch_is_what_remains(
    faq: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    likelihoods = iter([0.1, 0.3, 0.2])
    kept: list[Tensor] = []

    def measured(model: QuestionGenerator, collator: Collator, size: int) -> dict[str, float]:
        kept.append(model.copy_gate.weight.detach().clone())
        return {learning.METRIC: next(likelihoods)}

    monkeypatch.setattr(learning, "measure", measured)
    run = fit.start(faq, None, str(tiny_base), RECIPE, tmp_path / "run")
    asker = asker_of(str(run.directory))
    assert isinstance(asker, Seq2Seq)
    assert torch.equal(asker.model.copy_gate.weight.cpu(), kept[1].cpu())
    assert not torch.equal(kept[1], kept[2])


def test_interrupted_and_resumed_is_as_if_nothing_had_been(
    faq: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit.start(faq, None, str(tiny_base), RECIPE, tmp_path / "whole")
    calls: list[int] = []
    collate: Callable[..., dict[str, Tensor]] = Collator.__call__

    def interrupted(collator: Collator, rows: list[dict[str, int]]) -> dict[str, Tensor]:
        calls.append(len(rows))
        if len(calls) == 4:  # in the first epoch: one batch is measured before the first step
            signal.raise_signal(signal.SIGINT)
        return collate(collator, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Collator, "__call__", interrupted)
        with pytest.raises(Interrupted, match="--resume"):
            fit.start(faq, None, str(tiny_base), RECIPE, tmp_path / "parts")
    assert Run.find(str(tmp_path / "parts")).status().state == "interrupted"
    run = fit.resume(str(tmp_path / "parts"))
    assert run.status().state == "succeeded"
    weights = [asker_of(str(one.directory)).model.state_dict() for one in (whole, run)]  # type: ignore[attr-defined]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-6), name


def test_changed_data_is_not_carried_on_with(faq: Path, tiny_base: Path, tmp_path: Path) -> None:
    run = Run.create(
        {
            "data": str(faq),
            "queries": None,
            "base": "x",
            "recipe": {"name": "generator", "seed": 0},
            "training_data_sha256": "other",
        },
        tmp_path / "run",
    )
    run.update(state="interrupted")
    with pytest.raises(InputError, match="has changed since"):
        fit.resume(str(run.directory))


def test_questions_come_from_the_faq_from_labelled_questions_and_from_tsv(tmp_path: Path) -> None:
    some = pairs(240)
    faq, queries = tmp_path / "passages.jsonl", tmp_path / "questions.jsonl"
    faq.write_text("".join(json.dumps({"id": str(i), "answer": a}) + "\n" for i, (_, a) in enumerate(some)))
    queries.write_text("".join(json.dumps({"question": q, "faq_id": str(i)}) + "\n" for i, (q, _) in enumerate(some)))
    parts.write(tmp_path, 0, [Asked(*one) for one in some])
    for found in (reading.read(faq, queries, 0), reading.read(tmp_path, None, 0)):
        assert sorted((one.question, one.source) for one in (*found.train, *found.heldout)) == sorted(some)
        assert len(found.heldout) == 12
    with pytest.raises(InputError, match="0 questions with an answer; a generator takes at least 200"):
        reading.read(faq, None, 0)
    queries.write_text('{"question": "Who?", "faq_id": "nobody"}\n')
    with pytest.raises(InputError, match="name no entry of the FAQ"):
        reading.read(faq, queries, 0)
    faq.write_text("{}\n")
    with pytest.raises(FileError):
        reading.read(faq, None, 0)


def test_a_question_comes_with_the_part_of_its_passage_that_it_is_about() -> None:
    always = "and everybody who works there may take them out on any day of the week, provided that it is written down."
    sentences = [
        f"{thing} are kept in the {place} behind the house, {always}"
        for thing, place in (("Tents", "cellar"), ("Boots", "attic"), ("Stoves", "garage"))
    ]
    passage = " ".join(sentences)
    questions = ["Where are tents kept?", "What is kept in the attic?", "Are stoves in the garage?"]
    found = reading.focused([(question, passage) for question in questions] + [("Why?", "Because.")])
    assert found == [*sentences, "Because."]


def test_passages_are_held_out_with_all_of_their_questions() -> None:
    found = reading.split([*pairs(100), *((f"Another {question}", passage) for question, passage in pairs(100))], 0)
    assert len(found.heldout) == 10
    assert not {one.group for one in found.heldout} & {one.group for one in found.train}
