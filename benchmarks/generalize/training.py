"""The costly part: train a cell's models with the project's own loop, and keep what every state makes of the questions.

    python -m benchmarks.generalize.training --cache DIR [--seeds 0,1,2] [--rows sample:full,…] [--recipes …] [--jobs N]

A cell is a set, a variant, a seed and a recipe; what the cache holds is not made again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from benchmarks.generalize.features import Texts, questions_of, split_of
from benchmarks.generalize.sets import ROWS, faq
from trainer import model as models
from trainer.recipes import Recipe, recipe_named
from trainer.runs import CHECKPOINTS, Run
from trainer.training.loop import DONE, train
from trainer.training.noise import noised
from trainer.training.tokens import Tokens, embed
from trainer.training.validation import Validation

BASE = os.environ.get("GENERALIZE_BASE", models.DEFAULT_BASE)
SHARES: dict[str, tuple[float, ...]] = {
    "quick": (0.75, 1.0), "default": (0.5, 0.75, 1.0), "noise": (0.75, 1.0), "hold": (0.75, 1.0), "hold-more": (1.0,),
}  # fmt: skip
RECIPES = {
    "default": recipe_named("default"),
    "noise": replace(recipe_named("default"), noise=True),
    "hold": replace(recipe_named("default"), hold=5.0),
    "hold-more": replace(recipe_named("default"), hold=50.0),
}
Weights = dict[str, Tensor]


def main() -> None:
    """Make every cell that is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", default=",".join(f"{name}:{variant}" for name, variant in ROWS))
    parser.add_argument("--recipes", default="default")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--until", type=float, default=float("inf"), help="seconds after which no cell is begun")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cells = [
        f"{row}:{seed}:{recipe}"
        for recipe in options.recipes.split(",")
        for seed in options.seeds.split(",")
        for row in options.rows.split(",")
    ]
    if options.jobs > 1:
        spread(options, cells)
        return
    started = time.monotonic()
    for cell in cells:
        lock = options.cache / f".{cell}"
        if time.monotonic() - started > options.until or not _claimed(lock):
            continue
        begun = time.monotonic()
        make(options.cache, *cell.split(":"))
        print(f"{cell}: {time.monotonic() - begun:.1f} s", flush=True)


def _claimed(lock: Path) -> bool:
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def spread(options: argparse.Namespace, cells: list[str]) -> None:
    """The same in several processes, which take cells as they come."""
    given = sys.argv[1:]
    at = given.index("--jobs")
    rest = given[:at] + given[at + 2 :]
    processes = [
        subprocess.Popen([sys.executable, "-m", "benchmarks.generalize.training", *rest]) for _ in range(options.jobs)
    ]
    for process in processes:
        process.wait()


def make(cache: Path, name: str, variant: str, seed: str, recipe: str) -> None:
    """Train one cell and keep its states; the base model's with the recipe `default`."""
    target = cache / f"{name}.{variant}.{seed}.{recipe}.npz"
    if target.is_file():
        return
    given = faq(name, variant, int(seed))
    training = split_of(given, int(seed))
    texts = Texts(given, questions_of(given, training))
    model = models.load(BASE)
    tokens = Tokens(model, texts.all)
    base = _weights(model)
    kept: dict[str, np.ndarray] = {"groups": np.array(training.groups), "pairs": np.array(len(training.pairs))}

    def keep(state: str) -> None:
        found = texts.state(embed(model, tokens, False).numpy())
        kept.update({f"{state}/{key}": value for key, value in found._asdict().items()})

    if recipe == "default":
        keep("base")
    if not training.too_small:
        begun = time.monotonic()
        states = trained(model, given, training, replace(RECIPES[recipe], seed=int(seed)))
        kept["seconds"] = np.array(time.monotonic() - begun)
        for which, tuned in states.items():
            if which == "quick" and recipe != "default":
                continue
            label = recipe if which == "default" else which
            for share in SHARES[label]:
                model.load_state_dict(mixed(base, tuned, share))
                keep(f"{label}@{share}")
    partial = target.with_suffix(".part.npz")
    np.savez(partial, **kept)
    partial.replace(target)


def trained(model: SentenceTransformer, given: object, training: object, recipe: Recipe) -> dict[str, Weights]:
    """The weights after stage 1 (`quick`) and after all (`default`)."""
    with tempfile.TemporaryDirectory() as directory:
        run = Run.create({}, Path(directory) / "run")
        validate = Validation.of(given.trained, training.heldout, recipe.bf16)  # type: ignore[attr-defined]
        train(model, noised(training, recipe.seed) if recipe.noise else training, recipe, run, validate)  # type: ignore[arg-type]
        first = torch.load(run.directory / CHECKPOINTS / "stage-1" / DONE, weights_only=True, map_location="cpu")
        return {"quick": first, "default": _weights(model)}


def mixed(base: Weights, tuned: Weights, share: float) -> Weights:
    """base + share (tuned - base)."""
    return {
        key: value if not value.is_floating_point() else value + share * (tuned[key].to(value.device) - value)
        for key, value in base.items()
    }


def _weights(model: SentenceTransformer) -> Weights:
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}


if __name__ == "__main__":
    main()
