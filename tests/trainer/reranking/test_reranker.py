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
from trainer.recipes import RankingRecipe
from trainer.reranking import training as crossencoder
from trainer.reranking.training import CrossEncoder, RankingList, lists_of, untrained
from trainer.runs import Run
from trainer.training import model
from trainer.training.loop import Interrupted

RECIPE = RankingRecipe("test", epochs=1, batch_size=16, learning_rate=1e-3, bf16=False, hard_epochs=0, margin=2.0)


def lists(base: Path, entries: list[Entry]) -> list[RankingList]:
    return lists_of(model.load(str(base), "cpu"), entries, training_set(entries), RECIPE, bf16=False)


def test_lists_hold_the_answer_first_then_negatives_and_no_held_out_text(tiny_base: Path) -> None:
    entries = faq(40, 4)
    examples = lists(tiny_base, entries)
    owner = {question: entry for entry in entries for question in entry.phrasings}
    heldout = {question.question for question in training_set(entries).heldout}
    assert len(examples) == 40 * 4 - len(heldout)
    for example in examples:
        right = owner[example.question]
        titled = example.question != right.question
        assert example.texts[0] == (f"{right.question}\n{right.answer}" if titled else right.answer)
        assert len(example.texts) == 1 + crossencoder.DRAWN
        assert not any(right.answer in text for text in example.texts[1:])
        assert all(("\n" in text) == titled for text in example.texts)
        assert not heldout & {example.question, *(line for text in example.texts for line in text.split("\n"))}
    assert examples == lists(tiny_base, entries)


def test_entries_of_one_answer_are_no_negatives_and_canonical_questions_have_no_titles(tiny_base: Path) -> None:
    entries = [replace_answer(entry, f"Answer {i // 2}.") for i, entry in enumerate(faq(40, 1))]
    examples = lists(tiny_base, entries)
    answers = {entry.question: entry.answer for entry in entries}
    assert examples
    for example in examples:
        assert example.texts[0] == answers[example.question]
        assert example.texts[0] not in example.texts[1:]


def replace_answer(entry: Entry, answer: str) -> Entry:
    return entry.model_copy(update={"answer": answer})


def test_training_lowers_the_loss(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossencoder, "LEARNING_RATE", 5e-3)
    monkeypatch.setattr(crossencoder, "RECORD_EVERY", 1)
    examples = [RankingList(f"which is it {i}", ("yes", "no", "no way")) for i in range(160)]
    encoder = untrained(str(tiny_base), with_question=False, seed=0)
    crossencoder.train(encoder, examples, Run.create({}, tmp_path / "run"), seed=0, bf16=False)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["reranker_loss"] for line in lines]
    assert losses[-1] < 0.5 * losses[0]
    assert not encoder.training


def candidates(right: Sequence[int], scores: Sequence[Sequence[float]], places: Sequence[int]) -> Candidates:
    hits = np.zeros((len(scores), len(scores[0])), dtype=bool)
    for row, at in enumerate(right):
        if at >= 0:
            hits[row, at] = True
    texts = [["text"] * len(row) for row in scores]
    return Candidates(["question"] * len(scores), texts, np.array(scores), hits, np.array(places, dtype=np.float64))


def test_a_weight_that_helps_is_found_and_one_that_does_not_is_none() -> None:
    ranked = candidates([1] * 40 + [0] * 40, [[0.5, 0.4, 0.3]] * 80, [2] * 40 + [1] * 40)
    helpful = np.array([[0.0, 2.0, 0.0]] * 40 + [[2.0, 0.0, 0.0]] * 40)
    assert fit_weight(ranked, helpful) == pytest.approx(0.056)  # the least of the grid that lifts by more than 0.1
    assert fit_weight(ranked, -helpful) == 0
    assert fit_weight(ranked, 0 * helpful) == 0
    assert fit_weight(ranked, np.random.default_rng(0).normal(size=helpful.shape) * [1, 0, 0]) == 0


def test_an_answer_that_is_no_candidate_keeps_its_place() -> None:
    ranked = candidates([-1, 1], [[0.5, 0.4], [0.5, 0.4]], [57, 2])
    assert ranked.places(np.array([[9.0, 0.0], [0.0, 9.0]])).tolist() == [57, 1]


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
    encoder = trained(run, tiny_base)
    assert encoder is not None
    write(encoder, encoder.backbone.config, reranker.INPUTS, "logits", run.directory / "graph.onnx", encoder.max_tokens)
    return run.directory / "graph.onnx"


@pytest.fixture
def unsealed(graph: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A copy of the tiny bundle to add a reranker to."""
    monkeypatch.setattr(reranker, "write", lambda *given: shutil.copy(graph, given[4]))
    return Bundle(shutil.copytree(tiny_bundle.directory, tmp_path / "copy"), tiny_bundle.manifest)


def added(run: Run, base: Path, bundle: Bundle, heldout: Sequence[HeldOut] | None = None) -> Added | None:
    entries = faq(40, 3)
    encoder = trained(run, base)
    assert encoder is not None
    with served(bundle, entries, Encoder(bundle, threads=1)) as index:
        return reranker.add(encoder, bundle, index, training_set(entries).heldout if heldout is None else heldout)


def test_a_bundle_scores_as_the_model_does(
    run: Run, graph: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker, "write", lambda *given: shutil.copy(graph, given[4]))
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.05)
    monkeypatch.setattr(reranker, "RANKING_COST", 1.0)
    entries, encoder = faq(40, 3), trained(run, tiny_base)
    assert encoder is not None
    bundle = export(
        model.load(str(tiny_base), "cpu"),
        tmp_path / "bundle",
        entries=entries,
        heldout=training_set(entries).heldout,
        crossencoder=encoder,
        base_model=str(tiny_base),
        recipe="test",
    )
    assert Ranking.of(bundle).reranker_weight == 0.05
    assert bundle.manifest.reranker == Reranking(max_tokens=256, with_question=True, precision="int8")
    assert bundle.manifest.metrics["reranker"]["questions"] == 40
    question, texts = "how do i cancel it", ["Open page 3.", "press " * 600, "To cancel your tent, open page 1.", "No."]
    with torch.no_grad():
        exact = encoder.score(encoder.reader.tokenize(question, texts)).numpy()
    assert np.corrcoef(exact, Reranker.of(bundle, threads=1).scores(question, texts))[0, 1] > 0.98
    assert bundle.manifest.checks["reranker fp32"]["parity"] > 0.9999
    assert bundle.manifest.checks["reranker int8"]["passed"]
    assert bundle.manifest.checks["reranker int8"]["batch_independence"] > 0.999


def test_a_reranker_that_does_not_help_is_left_out(
    run: Run, tiny_base: Path, unsealed: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.0)
    assert added(run, tiny_base, unsealed) is None
    assert not (unsealed.directory / "reranker.onnx").exists()
    assert "it has no significant gain on held-out questions" in caplog.text


def test_an_8_bit_graph_that_fails_its_check_is_not_used(
    run: Run, tiny_base: Path, unsealed: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker, "fit_weight", lambda candidates, scores: 0.05)
    monkeypatch.setattr(reranker, "PARITY_SMALL", 2.0)
    reranking = added(run, tiny_base, unsealed)
    assert reranking is not None
    assert reranking.settings.precision == "fp32"
    assert reranking.checks["reranker int8"]["passed"] is False


def test_too_few_questions_fit_nothing(
    run: Run, tiny_base: Path, unsealed: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert added(run, tiny_base, unsealed, [HeldOut("where is it", "cancel-parcel-0")]) is None
    assert "too few held-out questions" in caplog.text


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
    reranking = added(run, tiny_base, unsealed, [*unanswerable, *heldout])
    assert reranking is not None
    assert reranking.metrics["questions"] == len(heldout)
    assert sum(not reread.outcome.answerable for reread in seen) == 25
    assert sum(reread.outcome.answerable for reread in seen) == len(heldout)
    assert all(len(reread.scores) for reread in seen)


def test_an_interrupted_training_starts_over_and_ends_the_same(
    run: Run, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = crossencoder.loss
    steps: list[int] = []

    def interrupting(encoder: CrossEncoder, batch: Sequence[RankingList], bf16: bool) -> torch.Tensor:
        steps.append(len(batch))
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return loss(encoder, batch, bf16)

    monkeypatch.setattr(crossencoder, "loss", interrupting)
    interrupted = Run.create({}, tmp_path / "run")
    with pytest.raises(Interrupted, match="Train the reranker again with"):
        trained(interrupted, tiny_base)
    encoder, expected = trained(interrupted, tiny_base), trained(run, tiny_base)
    assert len(steps) == 3 + 5
    assert encoder is not None
    assert expected is not None
    for name, value in encoder.state_dict().items():
        assert torch.allclose(value, expected.state_dict()[name], atol=1e-6), name


@pytest.mark.parametrize("wanted", [True, False])
def test_fit_trains_a_reranker_only_on_request(
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
