"""The reranker on a tiny encoder: what it is trained on, that it learns, what goes into the bundle, interruptions."""

import json
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from app.encoding.bundle import Bundle, HeldOut, Reranking
from app.encoding.encoder import Encoder
from app.knowledge.entry import Entry
from app.ranking.calibration import Calibrated
from app.ranking.fitting import Reread, calibrate
from app.ranking.heldout import Outcome
from app.ranking.ranking import Ranking
from app.ranking.reranker import Reranker
from tests.trainer.conftest import faq, write_faq
from trainer import fit
from trainer.data.training_set import training_set
from trainer.evaluation.served import served
from trainer.export import reranker
from trainer.export.export import export
from trainer.export.graph import write
from trainer.export.reranker import Added, Candidates, fit_weight
from trainer.recipes import Recipe
from trainer.reranking import training as crossencoder
from trainer.reranking.training import CrossEncoder, List, lists_of, made_of
from trainer.runs import Run
from trainer.training import model
from trainer.training.loop import Interrupted

RECIPE = Recipe("test", epochs=1, batch_size=16, learning_rate=1e-3, bf16=False, hard_epochs=0, margin=2.0)


def lists(base: Path, entries: list[Entry]) -> list[List]:
    return lists_of(model.load(str(base), "cpu"), entries, training_set(entries), RECIPE, bf16=False)


def test_lists_hold_the_answer_first_then_rivals_and_nothing_that_is_held_out(tiny_base: Path) -> None:
    entries = faq(40, 4)
    found = lists(tiny_base, entries)
    owner = {question: entry for entry in entries for question in entry.phrasings}
    heldout = {one.question for one in training_set(entries).heldout}
    assert len(found) == 40 * 4 - len(heldout)
    for one in found:
        right = owner[one.question]
        titled = one.question != right.question
        assert one.texts[0] == (f"{right.question}\n{right.answer}" if titled else right.answer)
        assert len(one.texts) == 1 + crossencoder.DRAWN
        assert not any(right.answer in text for text in one.texts[1:])
        assert all(("\n" in text) == titled for text in one.texts)
        assert not heldout & {one.question, *(line for text in one.texts for line in text.split("\n"))}
    assert found == lists(tiny_base, entries)


def test_entries_of_one_answer_are_no_rivals_and_lone_questions_go_without_titles(tiny_base: Path) -> None:
    entries = [replace_answer(entry, f"Answer {i // 2}.") for i, entry in enumerate(faq(40, 1))]
    found = lists(tiny_base, entries)
    answers = {entry.question: entry.answer for entry in entries}
    assert found
    for one in found:
        assert one.texts[0] == answers[one.question]
        assert one.texts[0] not in one.texts[1:]


def replace_answer(entry: Entry, answer: str) -> Entry:
    return entry.model_copy(update={"answer": answer})


def test_it_learns(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossencoder, "LEARNING_RATE", 5e-3)
    monkeypatch.setattr(crossencoder, "RECORD_EVERY", 1)
    some = [List(f"which is it {i}", ("yes", "no", "no way")) for i in range(160)]
    made = made_of(str(tiny_base), with_question=False, seed=0)
    crossencoder.train(made, some, Run.create({}, tmp_path / "run"), seed=0, bf16=False)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["reranker_loss"] for line in lines]
    assert losses[-1] < 0.5 * losses[0]
    assert not made.training


def candidates(right: Sequence[int], scores: Sequence[Sequence[float]], places: Sequence[int]) -> Candidates:
    hits = np.zeros((len(scores), len(scores[0])), dtype=bool)
    for row, at in enumerate(right):
        if at >= 0:
            hits[row, at] = True
    texts = [["text"] * len(row) for row in scores]
    return Candidates(["question"] * len(scores), texts, np.array(scores), hits, np.array(places, dtype=np.float64))


def test_a_weight_that_helps_is_found_and_one_that_does_not_is_none() -> None:
    found = candidates([1] * 40 + [0] * 40, [[0.5, 0.4, 0.3]] * 80, [2] * 40 + [1] * 40)
    helpful = np.array([[0.0, 2.0, 0.0]] * 40 + [[2.0, 0.0, 0.0]] * 40)
    assert fit_weight(found, helpful) == pytest.approx(0.056)  # the least of the grid that lifts by more than 0.1
    assert fit_weight(found, -helpful) == 0
    assert fit_weight(found, 0 * helpful) == 0
    assert fit_weight(found, np.random.default_rng(0).normal(size=helpful.shape) * [1, 0, 0]) == 0


def test_what_is_not_among_the_candidates_stays_where_it_is() -> None:
    found = candidates([-1, 1], [[0.5, 0.4], [0.5, 0.4]], [57, 2])
    assert found.places(np.array([[9.0, 0.0], [0.0, 9.0]])).tolist() == [57, 1]


@pytest.fixture(scope="module")
def run(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose cross-encoder is trained."""
    run = Run.create({}, tmp_path_factory.mktemp("reranked") / "run")
    assert trained(run, tiny_base) is not None
    return run


def trained(run: Run, base: Path) -> CrossEncoder | None:
    entries = faq(40, 3)
    return crossencoder.fitted(run, model.load(str(base), "cpu"), str(base), entries, training_set(entries), RECIPE)


@pytest.fixture(scope="module")
def graph(run: Run, tiny_base: Path) -> Path:
    """What takes seconds to write, written once."""
    made = trained(run, tiny_base)
    assert made is not None
    write(made, made.backbone.config, reranker.INPUTS, "logits", run.directory / "graph.onnx", made.max_tokens)
    return run.directory / "graph.onnx"


@pytest.fixture
def unsealed(graph: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A copy of the tiny bundle to add a reranker to."""
    monkeypatch.setattr(reranker, "write", lambda *given: shutil.copy(graph, given[4]))
    return Bundle(shutil.copytree(tiny_bundle.directory, tmp_path / "copy"), tiny_bundle.manifest)


def added(run: Run, base: Path, bundle: Bundle, heldout: Sequence[HeldOut] | None = None) -> Added | None:
    entries = faq(40, 3)
    made = trained(run, base)
    assert made is not None
    with served(bundle, entries, Encoder(bundle, threads=1)) as index:
        return reranker.add(made, bundle, index, training_set(entries).heldout if heldout is None else heldout)


def test_a_bundle_scores_as_the_model_does(
    run: Run, graph: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker, "write", lambda *given: shutil.copy(graph, given[4]))
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.05)
    monkeypatch.setattr(reranker, "RANKING_COST", 1.0)
    entries, made = faq(40, 3), trained(run, tiny_base)
    assert made is not None
    bundle = export(
        model.load(str(tiny_base), "cpu"),
        tmp_path / "bundle",
        entries=entries,
        heldout=training_set(entries).heldout,
        tuned=True,
        crossencoder=made,
        base_model=str(tiny_base),
        recipe="test",
    )
    assert Ranking.of(bundle).reranker_weight == 0.05
    assert bundle.manifest.reranker == Reranking(max_tokens=256, with_question=True, precision="int8")
    assert bundle.manifest.metrics["reranker"]["questions"] == 40
    question, texts = "how do i cancel it", ["Open page 3.", "press " * 600, "To cancel your tent, open page 1.", "No."]
    with torch.no_grad():
        exact = made.score(made.reader.tokenize(question, texts)).numpy()
    assert np.corrcoef(exact, Reranker.of(bundle, threads=1).scores(question, texts))[0, 1] > 0.98
    assert bundle.manifest.checks["reranker fp32"]["parity"] > 0.9999
    assert bundle.manifest.checks["reranker int8"]["passed"]
    assert bundle.manifest.checks["reranker int8"]["batch_independence"] > 0.999


def test_one_that_does_not_help_is_left_out(
    run: Run, tiny_base: Path, unsealed: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.0)
    assert added(run, tiny_base, unsealed) is None
    assert not (unsealed.directory / "reranker.onnx").exists()
    assert "it does not help on held-out questions" in caplog.text


def test_8_bits_that_fail_are_not_used(
    run: Run, tiny_base: Path, unsealed: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.05)
    monkeypatch.setattr(reranker, "PARITY_SMALL", 2.0)
    found = added(run, tiny_base, unsealed)
    assert found is not None
    assert found.settings.precision == "fp32"
    assert found.checks["reranker int8"]["passed"] is False


def test_too_few_questions_fit_nothing(
    run: Run, tiny_base: Path, unsealed: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert added(run, tiny_base, unsealed, [HeldOut("where is it", "cancel-parcel-0")]) is None
    assert "Too few questions are held out" in caplog.text


def test_questions_that_nothing_answers_calibrate_it_and_do_not_weigh_it(
    run: Run, tiny_base: Path, unsealed: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Reread] = []

    def calibrating(outcomes: Sequence[Outcome], ranking: Ranking, reread: Sequence[Reread]) -> Calibrated:
        seen.extend(reread)
        return calibrate(outcomes, ranking, reread)

    monkeypatch.setattr(reranker, "calibrate", calibrating)
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.05)
    unanswerable = [HeldOut(f"what is love {i}", None) for i in range(25)]
    heldout = training_set(faq(40, 3)).heldout
    found = added(run, tiny_base, unsealed, [*unanswerable, *heldout])
    assert found is not None
    assert found.metrics["questions"] == len(heldout)
    assert sum(not one.outcome.answerable for one in seen) == 25
    assert sum(one.outcome.answerable for one in seen) == len(heldout)
    assert all(len(one.scores) for one in seen)


def test_interrupted_it_begins_anew_and_ends_alike(
    run: Run, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = crossencoder.loss
    steps: list[int] = []

    def interrupting(made: CrossEncoder, batch: Sequence[List], bf16: bool) -> torch.Tensor:
        steps.append(len(batch))
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return loss(made, batch, bf16)

    monkeypatch.setattr(crossencoder, "loss", interrupting)
    again = Run.create({}, tmp_path / "run")
    with pytest.raises(Interrupted, match="Begin the reranker again with"):
        trained(again, tiny_base)
    made, expected = trained(again, tiny_base), trained(run, tiny_base)
    assert len(steps) == 3 + 5
    assert made is not None
    assert expected is not None
    for name, value in made.state_dict().items():
        assert torch.allclose(value, expected.state_dict()[name], atol=1e-6), name


@pytest.mark.parametrize("wanted", [True, False])
def test_fit_trains_one_where_it_is_asked_to(
    wanted: bool, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bi-encoder's own training, export and report are left out."""
    exported: list[object] = []
    monkeypatch.setattr(fit, "train", lambda *_: None)
    monkeypatch.setattr(fit, "export", lambda *_, crossencoder, **__: exported.append(crossencoder))
    monkeypatch.setattr(fit, "_report", lambda *_: None)
    monkeypatch.setattr(crossencoder, "MOST_LISTS", 16)
    file = write_faq(tmp_path / "faq.jsonl", faq(40, 3))
    run = fit.start(file, None, str(tiny_base), RECIPE, tmp_path / "run", reranker=wanted)
    assert isinstance(exported[0], CrossEncoder) == wanted
    assert (run.directory / crossencoder.WEIGHTS).is_file() == wanted
    assert run.config["reranker"] == wanted
