"""Whole runs on a tiny encoder: to the end, interrupted and resumed, too small to train."""

import html
import json
import shutil
import signal
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.encoding.bundle import Bundle
from app.errors import FileError, InputError
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.store import Store
from app.ranking.defaults import DEFAULTS
from app.ranking.ranking import Ranking
from tests.trainer.conftest import faq, write_faq
from trainer import fit
from trainer.data.training_set import training_set
from trainer.evaluation.validation import Validation
from trainer.guard import SHARES
from trainer.recipes import RankingRecipe
from trainer.reports.results import Results
from trainer.runs import CONFIG, Run
from trainer.training import model
from trainer.training.labels import PairLabels
from trainer.training.loop import Interrupted, train
from trainer.training.losses import EntryRankingLoss

pytestmark = pytest.mark.slow
RECIPE = RankingRecipe("test", epochs=3, batch_size=16, learning_rate=1e-3, bf16=False, hard_epochs=0)
BOTH = replace(RECIPE, epochs=2, hard_epochs=1, hard_learning_rate=1e-3, negatives=2, patience=0)


def test_from_a_file_to_a_bundle(faq_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    run = fit.start(faq_file, None, str(tiny_base), RECIPE, tmp_path / "run")
    status = run.status()
    assert (status.state, status.step, status.steps) == ("succeeded", 24, 24)
    bundle = Bundle.load(run.bundle)
    assert bundle.manifest.recipe == "test"
    assert bundle.manifest.training_data_sha256 == run.config["training_data_sha256"]
    assert bundle.manifest.metrics["heldout"]["queries"] == 40
    assert Ranking.of(bundle).calibration != DEFAULTS.calibration
    assert (shipped := run.shipped())
    assert shipped.share in (0, *SHARES)
    assert shipped.reason in html.unescape((run.directory / "report.html").read_text())
    lines = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    measured = [line["epoch"] for line in lines if "metrics" in line]
    assert measured == [0, 1, 2, 3]
    assert losses[-1] < losses[0]
    assert not (run.directory / "checkpoints").exists()


class Recorder:
    """The groups of the texts of every batch that the loss was given; interrupts at the one asked for."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.interrupt_at = 0

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        forward = EntryRankingLoss.forward

        def record(loss: EntryRankingLoss, features: Iterable[dict[str, Tensor]], labels: PairLabels) -> Tensor:
            self.batches.append([*labels.groups.tolist(), *labels.negative_groups.tolist()])
            if len(self.batches) == self.interrupt_at:
                signal.raise_signal(signal.SIGINT)
            return forward(loss, features, labels)

        patch.setattr(EntryRankingLoss, "forward", record)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    recorder.listen(monkeypatch)
    return recorder


def trained(tiny_base: Path, run: Run) -> dict[str, Tensor]:
    encoder = model.load(str(tiny_base), "cpu")
    entries = faq(40, 3)
    training = training_set(entries)
    train(encoder, training, BOTH, run, Validation.of(entries, training.heldout))
    return encoder.state_dict()


@pytest.fixture(scope="module")
def whole(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], list[list[int]]]:
    """The weights and the batches of a training that nothing interrupted."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        recorder.listen(patch)
        weights = trained(tiny_base, Run.create({}, tmp_path_factory.mktemp("whole") / "run"))
    return weights, recorder.batches


@pytest.mark.parametrize("after", [3, 8, 16, 19])  # in the first epoch, at its end, between the stages, in the second
def test_interrupted_and_resumed_takes_the_steps_of_an_uninterrupted_run(
    after: int, tiny_base: Path, tmp_path: Path, recorder: Recorder, whole: tuple[dict[str, Tensor], list[list[int]]]
) -> None:
    weights, expected = whole
    assert len(expected) == 24
    run = Run.create({}, tmp_path / "parts")
    recorder.interrupt_at = after
    with pytest.raises(Interrupted, match=f"step {after} of 24.*--resume"):
        trained(tiny_base, run)
    recorder.interrupt_at = 0
    parts = trained(tiny_base, run)
    assert recorder.batches == expected
    for name, value in weights.items():
        assert torch.allclose(value, parts[name], atol=1e-6), name


def test_an_interrupted_run_is_resumed_by_name(
    faq_file: Path, tiny_base: Path, tmp_path: Path, recorder: Recorder
) -> None:
    recorder.interrupt_at = 5
    with pytest.raises(Interrupted):
        fit.start(faq_file, None, str(tiny_base), RECIPE, tmp_path / "run")
    assert Run.find(str(tmp_path / "run")).status().state == "interrupted"
    recorder.interrupt_at = 0
    run = fit.resume(str(tmp_path / "run"))
    assert run.status().state == "succeeded"
    assert len(recorder.batches) == 24
    gain = Bundle.load(run.bundle).manifest.metrics["gain"]  # for the service, which tells users
    shares = (f"{share:.2f}".lstrip("0") for share in (gain["before"], gain["after"]))
    assert " -> ".join(shares) == Results.read(run.directory).headline


@pytest.fixture(scope="module")
def untrained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of no epochs, to read and to copy."""
    folder = tmp_path_factory.mktemp("untrained")
    file = write_faq(folder / "faq.jsonl", faq(40, 3))
    return fit.start(file, None, str(tiny_base), replace(RECIPE, epochs=0), folder / "run")


def test_a_finished_run_is_left_as_it_is(untrained: Run) -> None:
    before = untrained.status()
    assert fit.resume(str(untrained.directory)).status() == before


def test_no_epochs_export_the_base_model(untrained: Run) -> None:
    bundle = Bundle.load(untrained.bundle)
    assert bundle.manifest.recipe == "base"
    assert Ranking.of(bundle).question_weight == DEFAULTS.question_weight
    assert Ranking.of(bundle).calibration != DEFAULTS.calibration  # what is held out calibrates it too
    assert untrained.shipped() is None


def test_too_small_a_faq_gets_the_base_model_and_is_told(tiny_base: Path, tmp_path: Path) -> None:
    file = write_faq(tmp_path / "small.jsonl", faq(5, 2))
    run = fit.start(file, None, str(tiny_base), RECIPE, tmp_path / "run")
    assert Bundle.load(run.bundle).manifest.recipe == "base"
    assert "Too small to train on" in (run.directory / "log").read_text(encoding="utf-8")


def test_bad_rows_are_all_reported_before_anything_starts(tiny_base: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"answer": "fine"}\n{"question": "no answer"}\n{broken\n', encoding="utf-8")
    with pytest.raises(FileError) as caught:
        fit.start(file, None, str(tiny_base), RECIPE, tmp_path / "run")
    assert [row.line for row in caught.value.rows] == [2, 3]
    assert not (tmp_path / "run").exists()


def test_changed_data_cannot_be_resumed_on(untrained: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(untrained.directory, tmp_path / "run"))
    changed = write_faq(tmp_path / "faq.jsonl", faq(39, 3))
    (run.directory / CONFIG).write_text(json.dumps({**run.config, "data": str(changed)}), encoding="utf-8")
    run.update(state="interrupted")
    with pytest.raises(InputError, match="has changed"):
        fit.resume(str(run.directory))


def test_a_failure_is_written_down(faq_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fit.start(faq_file, None, str(tmp_path / "no-model"), RECIPE, tmp_path / "run")
    status = Run.find(str(tmp_path / "run")).status()
    assert status.state == "failed"
    assert "no-model" in (status.reason or "")


def test_a_run_learns_from_a_store_and_reports_each_kind(tiny_base: Path, tmp_path: Path) -> None:
    entries = faq(40, 4)
    guarded = entries[0].model_copy(update={"negatives": ("where is my tracker?",)})
    with closing(Store.open(f"sqlite:///{tmp_path / 'home' / 'knowledge.db'}")) as store:
        store.import_entries([guarded, *entries[1:]], "replace")
        golden = [("stop that parcel", entries[0].id), ("wolf?", None)]
        GoldenStore(store.database).take(NewQuestion(*pair) for pair in golden)
    once = replace(RECIPE, epochs=1)
    run = fit.start(None, None, str(tiny_base), once, tmp_path / "run", database=str(tmp_path / "home"))
    held = {question.question: question.faq_id for question in Bundle.load(run.bundle).heldout()}
    assert (held["stop that parcel"], held["wolf?"]) == (entries[0].id, None)
    shutil.rmtree(tmp_path / "home")
    assert fit.measure_again(str(run.directory)).directory == run.directory
    page = (run.directory / "report.html").read_text(encoding="utf-8")
    for name in ("Golden questions, all held out", "Questions that an entry must not answer", "the store"):
        assert name in page
    assert "python -m app import" not in page
