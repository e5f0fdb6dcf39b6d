"""Every recipe, from a file to a bundle that encodes as the model does, on a tiny encoder."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from app.encoding.bundle import ANSWERS, Bundle
from app.encoding.encoder import Encoder
from app.errors import BundleError, InputError
from tests.trainer.conftest import faq, write_faq
from trainer import fit
from trainer.recipes import RECIPES, Recipe
from trainer.reports.results import Results
from trainer.runs import MODEL, Run
from trainer.training import model
from trainer.training.loop import Interrupted
from trainer.training.losses import EntryRankingLoss
from trainer.training.towers import ANSWER, QUESTION, tower
from trainer.training.triplets import TripletLoss

pytestmark = pytest.mark.slow
ENTRIES = faq(40, 3)
DATA_FORMATS = {"default": "labelled", "frozen-head": "faq", "dual": "faq", "groups": "labelled", "pairs": "pairs"}


def short(name: str) -> Recipe:
    """The recipe, short, and coarse enough to change two random layers."""
    recipe = RECIPES[name]
    epochs = 20.0 if recipe.trainable == "head" else 2.0
    return replace(recipe, epochs=epochs, batch_size=16, learning_rate=3e-3, bf16=False, measure_every=1)


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No vector of a test is kept where those of real runs are."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(directory))
        yield directory


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same FAQ in each data format."""
    directory = tmp_path_factory.mktemp("files")
    texts = [(entry.id, text) for entry in ENTRIES for text in (entry.answer, *entry.phrasings)]
    pairs = [(phrasing, entry.answer, i) for i, entry in enumerate(ENTRIES) for phrasing in entry.phrasings]
    wrong = [(ENTRIES[i].question, ENTRIES[i + 1].answer) for i in range(20)]
    return {
        "faq": write_faq(directory / "faq.jsonl", ENTRIES),
        "labelled": write(directory / "labelled.jsonl", [{"text": text, "label": label} for label, text in texts]),
        "pairs": write(
            directory / "pairs.jsonl",
            [{"a": a, "b": b, "score": 0.5 + i % 2, "subgroup": i} for a, b, i in pairs]
            + [{"a": a, "b": b, "score": 0, "subgroup": i} for i, (a, b) in enumerate(wrong)],
        ),
    }


@pytest.fixture(scope="module")
def trained(files: dict[str, Path], tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A function that gives a recipe's run, carried out once."""

    @cache
    def run(name: str) -> Run:
        out = tmp_path_factory.mktemp(name) / "run"
        return fit.start(files[DATA_FORMATS[name]], None, str(tiny_base), short(name), out)

    return run


@pytest.mark.parametrize("name", DATA_FORMATS)
def test_a_recipe_makes_a_run_and_a_bundle_like_any_other(name: str, trained: Callable[[str], Run]) -> None:
    run = trained(name)
    assert run.status().state == "succeeded"
    assert run.status().step == run.status().steps
    assert Results.read(run.directory).before is not None
    assert (run.directory / "report.html").is_file()
    lines = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    measured = [line["metrics"]["mrr"] for line in lines if "metrics" in line]
    assert max(measured[1:]) > measured[0]
    bundle = Bundle.load(run.bundle)
    assert bundle.manifest.recipe == name
    encoder, whole = Encoder(bundle, threads=1), model.load(str(run.directory / MODEL), "cpu")
    texts = [ENTRIES[0].question, ENTRIES[1].answer]
    for side, embedded in (
        (QUESTION, encoder.encode_queries(texts)),
        (ANSWER, np.concatenate(encoder.encode_documents(texts))),
    ):
        exact = tower(whole, side).encode(texts, normalize_embeddings=True, show_progress_bar=False)
        assert (exact * embedded).sum(axis=1).min() > 0.98


@pytest.mark.parametrize("name", ["frozen-head", "dual", "groups"])
def test_interrupted_and_resumed_it_ends_with_the_same_bundle(
    name: str,
    files: dict[str, Path],
    trained: Callable[[str], Run],
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = TripletLoss if name == "groups" else EntryRankingLoss
    whole, forward, steps = trained(name), kind.forward, [0]

    def interrupted(*of: Any) -> Tensor:  # noqa: ANN401 - as either loss takes them
        steps[0] += 1
        if steps[0] == 5:
            signal.raise_signal(signal.SIGINT)
        return forward(*of)

    monkeypatch.setattr(kind, "forward", interrupted)
    with pytest.raises(Interrupted, match="--resume"):
        fit.start(files[DATA_FORMATS[name]], None, str(tiny_base), short(name), tmp_path / "parts")
    assert Run.find(str(tmp_path / "parts")).status().state == "interrupted"
    parts = fit.resume(str(tmp_path / "parts"))
    assert Bundle.load(parts.bundle).revision == Bundle.load(whole.bundle).revision


@pytest.mark.parametrize(
    ("name", "data_format", "needs", "has"),
    [
        ("groups", "faq", "`text` and `label`", "`answer`"),
        ("groups", "pairs", "`text` and `label`", "`a`, `b`"),
        ("pairs", "labelled", "`a` and `b`", "`text`, `label`"),
        ("dual", "pairs", "`answer` or `text` and `label`", "`a`, `b`"),
    ],
)
def test_data_of_another_format_is_refused_with_the_fields_that_it_needs(
    name: str, data_format: str, needs: str, has: str, files: dict[str, Path], tiny_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"recipe {name} needs {needs}; line 1 has .*{has}"):
        fit.start(files[data_format], None, str(tiny_base), short(name), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_towers_differ_and_answers_come_before_echoes(trained: Callable[[str], Run], tmp_path: Path) -> None:
    two, single = (Bundle.load(trained(name).bundle) for name in ("dual", "frozen-head"))
    encoder = Encoder(two, threads=1)
    text = ENTRIES[0].question
    assert float(encoder.encode_queries([text])[0] @ encoder.encode_documents([text])[0][0]) < 0.999
    assert two.manifest.metrics["heldout"]["outranks_echo"] > 0.5
    assert single.manifest.metrics["heldout"]["outranks_echo"] == 0
    damaged = tmp_path / "damaged"
    shutil.copytree(two.directory, damaged)
    (damaged / ANSWERS).write_bytes(b"another graph")
    with pytest.raises(BundleError, match=r"answers\.onnx is not the file"):
        Bundle.load(damaged)


def test_the_frozen_encoder_embeds_a_text_once_for_all_runs(
    files: dict[str, Path],
    trained: Callable[[str], Run],
    tiny_base: Path,
    tmp_path: Path,
    vectors: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = trained("frozen-head")
    assert len(list(vectors.rglob("*.db"))) == 1
    monkeypatch.setattr("trainer.training.head.embed_with", None)  # a second reading would fail
    second = fit.start(files["faq"], None, str(tiny_base), short("frozen-head"), tmp_path / "second")
    assert Bundle.load(second.bundle).revision == Bundle.load(first.bundle).revision


def test_training_a_head_changes_no_weight_of_the_encoder(trained: Callable[[str], Run], tiny_base: Path) -> None:
    after = model.load(str(trained("frozen-head").directory / MODEL), "cpu")
    for name, value in model.backbone(model.load(str(tiny_base), "cpu")).state_dict().items():
        assert value.equal(model.backbone(after).state_dict()[name]), name
