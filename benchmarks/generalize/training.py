"""The costly part: train each cell with the project's own loop, and keep what every state makes of the questions.

A cell is a set, a variant and a seed. One training of the recipe `default` gives two models: `quick` is stage 1.
What the cache holds is not made again, so an interrupted run goes on where it was; several processes may share a cache.
Features of other questions than today's, as after a change of the split, are made again.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from app import durable
from benchmarks.generalize.features import Texts, digest_of, questions_of, split_of
from benchmarks.generalize.sets import Faq, faq
from trainer.data.training_set import TrainingSet
from trainer.evaluation.averaging import Weights, between, weights_of
from trainer.evaluation.validation import Validation
from trainer.recipes import Recipe, recipe_named
from trainer.runs import CHECKPOINTS, Run
from trainer.training import model as models
from trainer.training.loop import DONE, train
from trainer.training.tokens import Tokens, embed

BASE = "base"
DIGEST = "digest"
SHARES: dict[str, tuple[float, ...]] = {"quick": (0.75, 1.0), "default": (0.5, 0.75, 1.0)}
RECIPE = recipe_named("default")
log = logging.getLogger("benchmarks")


class Cell(NamedTuple):
    """One training."""

    name: str
    variant: str
    seed: int

    def path(self, cache: Path) -> Path:
        """Where its features lie."""
        return cache / f"{self.name}.{self.variant}.{self.seed}.npz"

    def fits(self, cache: Path, digest: str) -> bool:
        """Whether the cache holds the cell's features, for the questions with this digest."""
        if not self.path(cache).is_file():
            return False
        with np.load(self.path(cache)) as file:
            return DIGEST in file.files and str(file[DIGEST]) == digest


def make(cell: Cell, cache: Path, base: str, recipe: Recipe = RECIPE) -> None:
    """Train the cell and keep its states, unless the cache holds it or another process is at it."""
    target = cell.path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with _claimed(target.with_suffix(".lock")) as mine:
        if not mine:
            return
        given = faq(*cell)
        training = split_of(given, cell.seed)
        texts = Texts(given, questions_of(given, training))
        if not cell.fits(cache, digest_of(given, texts.questions)):
            begun = time.monotonic()
            _make(texts, training, target, models.load(base), replace(recipe, seed=cell.seed))
            log.info("%s: %.0f s", target.stem, time.monotonic() - begun)


def _make(texts: Texts, training: TrainingSet, target: Path, model: SentenceTransformer, recipe: Recipe) -> None:
    tokens = Tokens(model, texts.all)
    base = weights_of(model)
    kept: dict[str, NDArray[Any]] = {DIGEST: np.array(digest_of(texts.faq, texts.questions))}

    def keep(state: str, weights: Weights) -> None:
        model.load_state_dict(weights)
        found = texts.state(embed(model, tokens, False).numpy())
        kept.update({f"{state}/{key}": value for key, value in found._asdict().items()})

    keep(BASE, base)
    if not training.too_small:
        for stage, tuned in _trained(model, texts.faq, training, recipe).items():
            for share in SHARES[stage]:
                keep(f"{stage}@{share}", between(base, tuned, share))
    partial = target.with_suffix(".part.npz")
    np.savez_compressed(partial, **kept)  # type: ignore[arg-type]  # arrays by name
    durable.move(partial, target)


def _trained(model: SentenceTransformer, given: Faq, training: TrainingSet, recipe: Recipe) -> dict[str, Weights]:
    """The weights after stage 1 (`quick`) and after all (`default`)."""
    with tempfile.TemporaryDirectory() as directory:
        run = Run.create({}, Path(directory) / "run")
        train(model, training, recipe, run, Validation.of(given.trained, training.heldout, recipe.bf16))
        stage = run.directory / CHECKPOINTS / "stage-1" / DONE
        return {"quick": torch.load(stage, weights_only=True, map_location="cpu"), "default": weights_of(model)}


@contextmanager
def _claimed(lock: Path) -> Iterator[bool]:
    """Whether this process may make the cell; what a killed process left has to be deleted by hand."""
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)
