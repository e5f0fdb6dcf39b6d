"""Pairs a second in training: ours against a plain SentenceTransformerTrainer script, by turns in one run.

    python -m benchmarks.train_speed [--data FILE] [--limit 1024] [--batch 128] [--rounds 2]

Both see the same pairs in batches of the same size for one epoch, without validation; ours includes tokenising,
checkpoints and status. The plain script is sentence-transformers' own example with MultipleNegativesRankingLoss, as it
stands (fp32) and with bf16=True. Writes benchmarks/results/train_speed.json.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from benchmarks.places import CLOUD_FAQ, RESULTS
from trainer import fit
from trainer.data.training_set import Pair, TrainingSet
from trainer.recipes import recipe_named
from trainer.runs import Run
from trainer.training import model
from trainer.training.loop import native_bf16, train

System = Callable[[list[Pair], int], float]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=CLOUD_FAQ)
    parser.add_argument("--limit", type=int, default=1024, help="pairs")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    pairs = read_pairs(options.data, options.limit)
    systems: dict[str, System] = {"plain": plain, "plain, bf16": plain_bf16, "ours": ours}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, system in systems.items():
            seconds[name].append(system(pairs, options.batch))
    report = {
        "pairs": len(pairs),
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "pairs_per_second": {name: len(pairs) / statistics.median(values) for name, values in seconds.items()},
        "seconds": seconds,
    }
    print(json.dumps(report, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "train_speed.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def read_pairs(data: Path, limit: int | None) -> list[Pair]:
    """The pairs of a FAQ that training would see."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return list(fit.read(data, None, recipe_named("default")).training.pairs)[:limit]


def plain(pairs: list[Pair], batch: int, bf16: bool = False) -> float:
    """Seconds of an epoch of the plain script."""
    encoder = model.load(model.DEFAULT_BASE)
    rows = {"anchor": [pair.anchor for pair in pairs], "positive": [pair.positive for pair in pairs]}
    with tempfile.TemporaryDirectory() as directory:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=directory,
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            learning_rate=1e-4,
            warmup_steps=0.1,
            bf16=bf16,
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        loss = MultipleNegativesRankingLoss(encoder)
        trainer = SentenceTransformerTrainer(encoder, arguments, Dataset.from_dict(rows), loss=loss)
        return timed(trainer.train)


def plain_bf16(pairs: list[Pair], batch: int) -> float:
    """Seconds of an epoch of the plain script with autocast, where the machine has it."""
    return plain(pairs, batch, native_bf16())


def ours(pairs: list[Pair], batch: int, bf16: bool = True) -> float:
    """Seconds of an epoch of stage 1, from texts to trained weights."""
    encoder = model.load(model.DEFAULT_BASE)
    recipe = replace(recipe_named("quick"), epochs=1, batch_size=batch, bf16=bf16)
    with tempfile.TemporaryDirectory() as directory:
        run = Run.create({}, Path(directory) / "run")
        return timed(lambda: train(encoder, TrainingSet(tuple(pairs), ()), recipe, run))


def timed(work: Callable[[], object]) -> float:
    """How many seconds it takes, a GPU's work included."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
