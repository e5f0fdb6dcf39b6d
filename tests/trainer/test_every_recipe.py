"""Every recipe, from a file to a bundle that encodes as the model does, on a tiny encoder."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from app.errors import InputError
from app.retrieval.bundle import ANSWERS, Bundle
from app.retrieval.encoder import Encoder
from tests.trainer.conftest import faq, write_faq
from trainer import fit, model
from trainer.recipes import RECIPES, Recipe
from trainer.reporting.results import Results
from trainer.runs import MODEL, Run
from trainer.towers import ANSWER, QUESTION, tower
from trainer.training.loop import Interrupted
from trainer.training.losses import EntryRankingLoss
from trainer.training.triplets import TripletLoss

ENTRIES = faq(40, 3)


def quick(name: str) -> Recipe:
    """The recipe, short, and coarse enough to change two random layers."""
    recipe = RECIPES[name]
    epochs = 20.0 if recipe.trains == "head" else 2.0
    return replace(recipe, epochs=epochs, batch_size=16, learning_rate=3e-3, bf16=False, measure_every=1)


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No vector of a test is kept where those of real runs are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The same FAQ in each of the shapes that a recipe may read."""
    texts = [(entry.id, text) for entry in ENTRIES for text in (entry.answer, *entry.phrasings)]
    pairs = [(phrasing, entry.answer, i) for i, entry in enumerate(ENTRIES) for phrasing in entry.phrasings]
    wrong = [(ENTRIES[i].question, ENTRIES[i + 1].answer) for i in range(20)]
    return {
        "faq": write_faq(tmp_path / "faq.jsonl", ENTRIES),
        "labelled": write(tmp_path / "labelled.jsonl", [{"text": text, "label": label} for label, text in texts]),
        "pairs": write(
            tmp_path / "pairs.jsonl",
            [{"a": a, "b": b, "score": 0.5 + i % 2, "subgroup": i} for a, b, i in pairs]
            + [{"a": a, "b": b, "score": 0, "subgroup": i} for i, (a, b) in enumerate(wrong)],
        ),
    }


def checked(run: Run) -> Bundle:
    """What every recipe owes: a run that succeeded, a report, a bundle that does what the trained model does."""
    assert run.status().state == "succeeded"
    assert run.status().step == run.status().steps
    assert Results.read(run.directory).before is not None
    assert (run.directory / "report.html").is_file()
    bundle = Bundle.load(run.bundle)
    encoder, trained = Encoder(bundle, threads=1), model.load(str(run.directory / MODEL), "cpu")
    texts = [ENTRIES[0].question, ENTRIES[1].answer]
    for side, found in ((QUESTION, encoder.questions(texts)), (ANSWER, np.concatenate(encoder.answers(texts)))):
        exact = tower(trained, side).encode(texts, normalize_embeddings=True, show_progress_bar=False)
        assert (exact * found).sum(axis=1).min() > 0.98
    return bundle


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("default", "labelled"),
        ("frozen-head", "faq"),
        ("frozen-head", "labelled"),
        ("dual", "faq"),
        ("groups", "labelled"),
        ("pairs", "pairs"),
    ],
)
def test_a_recipe_makes_a_bundle_of_what_it_reads(
    name: str, shape: str, files: dict[str, Path], tiny_base: Path, tmp_path: Path
) -> None:
    run = fit.start(files[shape], None, str(tiny_base), quick(name), tmp_path / "run")
    bundle = checked(run)
    assert bundle.manifest.recipe == name
    lines = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    measured = [line["metrics"]["mrr"] for line in lines if "metrics" in line]
    assert max(measured[1:]) > measured[0]


@pytest.mark.parametrize(("name", "shape"), [("frozen-head", "faq"), ("dual", "faq"), ("groups", "labelled")])
def test_interrupted_and_resumed_it_ends_with_the_same_bundle(
    name: str, shape: str, files: dict[str, Path], tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit.start(files[shape], None, str(tiny_base), quick(name), tmp_path / "whole")
    kind = TripletLoss if name == "groups" else EntryRankingLoss
    forward, steps = kind.forward, [0]

    def interrupted(*of: Any) -> Tensor:  # noqa: ANN401 - as either loss takes them
        steps[0] += 1
        if steps[0] == 5:
            signal.raise_signal(signal.SIGINT)
        return forward(*of)

    monkeypatch.setattr(kind, "forward", interrupted)
    with pytest.raises(Interrupted, match="--resume"):
        fit.start(files[shape], None, str(tiny_base), quick(name), tmp_path / "parts")
    assert Run.find(str(tmp_path / "parts")).status().state == "interrupted"
    parts = fit.resume(str(tmp_path / "parts"))
    assert Bundle.load(parts.bundle).revision == Bundle.load(whole.bundle).revision


@pytest.mark.parametrize(
    ("name", "shape", "needs", "has"),
    [
        ("groups", "faq", "`text` and `label`", "`answer`"),
        ("groups", "pairs", "`text` and `label`", "`a`, `b`"),
        ("pairs", "labelled", "`a` and `b`", "`text`, `label`"),
        ("dual", "pairs", "`answer` or `text` and `label`", "`a`, `b`"),
    ],
)
def test_data_of_another_shape_is_refused_in_a_sentence(
    name: str, shape: str, needs: str, has: str, files: dict[str, Path], tiny_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"recipe {name} needs {needs}; line 1 has .*{has}"):
        fit.start(files[shape], None, str(tiny_base), quick(name), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_towers_differ_and_both_count(files: dict[str, Path], tiny_base: Path, tmp_path: Path) -> None:
    run = fit.start(files["faq"], None, str(tiny_base), quick("dual"), tmp_path / "run")
    bundle = Bundle.load(run.bundle)
    encoder = Encoder(bundle, threads=1)
    assert encoder.two_sided
    text = ENTRIES[0].question
    assert float(encoder.questions([text])[0] @ encoder.answers([text])[0][0]) < 0.999
    assert bundle.manifest.metrics["heldout"]["outranks_echo"] > 0.5
    (run.bundle / ANSWERS).write_bytes(b"another graph")
    with pytest.raises(Exception, match=r"answers\.onnx is not the file"):
        Bundle.load(run.bundle)


def test_the_frozen_encoder_reads_a_text_once(
    files: dict[str, Path], tiny_base: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit.start(files["faq"], None, str(tiny_base), quick("frozen-head"), tmp_path / "first")
    kept = list(cache.rglob("*.db"))
    assert len(kept) == 1
    monkeypatch.setattr("trainer.training.head.embed_with", None)  # a second reading would fail
    again = fit.start(files["faq"], None, str(tiny_base), quick("frozen-head"), tmp_path / "second")
    assert again.status().state == "succeeded"
    assert Bundle.load(again.bundle).revision == Bundle.load(tmp_path / "first" / "bundle").revision


def test_a_head_leaves_the_encoder_as_it_was(files: dict[str, Path], tiny_base: Path, tmp_path: Path) -> None:
    run = fit.start(files["faq"], None, str(tiny_base), quick("frozen-head"), tmp_path / "run")
    before, after = (model.load(str(one), "cpu") for one in (tiny_base, run.directory / MODEL))
    for name, value in model.backbone(before).state_dict().items():
        assert value.equal(model.backbone(after).state_dict()[name]), name
