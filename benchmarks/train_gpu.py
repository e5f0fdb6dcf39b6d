"""Training on a GPU: pairs a second at growing batches, fp32 and bf16, ours against the plain script.

    python -m benchmarks.train_gpu [--data FILE] [--batches 32,128,512,1024,4096] [--limit PAIRS] [--recipe]

`--recipe` also times the whole default recipe on the file, from texts to trained weights (target: the cloud FAQ in less
than 60 s on one H200). A system that does not fit into memory is reported as null. Writes
benchmarks/results/train_gpu.json. Runs without a GPU too: `--batches 32 --limit 128` shows that it works.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.places import CLOUD_FAQ, RESULTS
from benchmarks.train_speed import ours, plain, read_pairs, timed
from trainer import fit
from trainer.data.training_set import Pair
from trainer.evaluation.validation import Validation
from trainer.recipes import recipe_named
from trainer.runs import Run
from trainer.training import model
from trainer.training.loop import train

SYSTEMS: dict[str, Callable[[list[Pair], int, bool], float]] = {"plain": plain, "ours": ours}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--batches", default="32,128,512,1024,4096")
    parser.add_argument("--limit", type=int, default=None, help="pairs; all unless given")
    parser.add_argument("--recipe", action="store_true", help="time the default recipe as well")
    options = parser.parse_args()
    pairs = read_pairs(options.data, options.limit)
    ours(pairs[:64], 32)  # kernels are made, libraries loaded
    rows = [
        measured(pairs, int(batch), precision == "bf16", name, precision)
        for batch in options.batches.split(",")
        for precision in ("fp32", "bf16")
        for name in SYSTEMS
    ]
    report: dict[str, Any] = {"device": device(), "torch": torch.__version__, "pairs": len(pairs), "rows": rows}
    if options.recipe:
        report["default_recipe_seconds"] = whole_recipe(options.data)
    print(json.dumps(report, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "train_gpu.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def measured(pairs: list[Pair], batch: int, bf16: bool, system: str, precision: str) -> dict[str, Any]:
    """One line of the report: an epoch of one system."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    row: dict[str, Any] = {"system": system, "batch": batch, "precision": precision}
    try:
        seconds = SYSTEMS[system](pairs, batch, bf16)
    except torch.OutOfMemoryError:
        return {**row, "seconds": None, "pairs_per_second": None}
    row |= {"seconds": round(seconds, 2), "pairs_per_second": round(len(pairs) / seconds, 1)}
    if torch.cuda.is_available():
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    print(row, flush=True)
    return row


def whole_recipe(data: Path) -> float:
    """Seconds of the default recipe, validation after each epoch and mining included."""
    recipe = recipe_named("default")
    inputs = fit.read(data, None, recipe)
    encoder = model.load(model.DEFAULT_BASE)
    validate = Validation.of(inputs.entries, inputs.training.heldout, recipe.bf16)
    with tempfile.TemporaryDirectory() as directory:
        run = Run.create({}, Path(directory) / "run")
        return timed(lambda: train(encoder, inputs.training, recipe, run, validate))


def device() -> str:
    """What is measured on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
