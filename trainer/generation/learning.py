"""The recipe `generator`: a run that learns to ask from the questions and answers at hand.

The epoch with the least held-out loss is kept. The encoder knows its trade and learns slowly; decoder and copying are
new and learn at the recipe's rate.
"""

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments

from app import durable
from app.errors import InputError
from trainer import runs
from trainer.generation import model as models
from trainer.generation import pairs
from trainer.generation.model import IGNORED, PASSAGE_TOKENS, QUESTION_TOKENS, QuestionGenerator
from trainer.generation.pairs import Example, Examples
from trainer.keeping import logging_to, status_kept
from trainer.recipes import Recipe
from trainer.runs import Run
from trainer.training.callbacks import Best, Figures, Report, Stop, Whole, stopping
from trainer.training.loop import (
    BEST,
    CHECKPOINT_EVERY,
    Interrupted,
    PlainCheckpoints,
    last_checkpoint,
    native_bf16,
    progress_bar,
)
from trainer.training.sampler import EntryBatchSampler

NAME = "generator"
ENCODER_RATE = 1 / 6  # of the learning rate
SMOOTHING = 0.05
METRIC = "likelihood"  # of a held-out question's word, the geometric mean
Features = dict[str, Tensor]
log = logging.getLogger("trainer")


def start(data: Path, queries: Path | None, base: str, recipe: Recipe, out: Path | None) -> Run:
    """A new run, carried out. Raises FileError and InputError before anything starts, Interrupted."""
    examples = pairs.read(data, queries, recipe.seed)
    config = {
        "data": str(data.absolute()),
        "queries": str(queries.absolute()) if queries else None,
        "base": base,
        "recipe": asdict(recipe),
        "training_data_sha256": examples.sha256,
    }
    run = Run.create(config, out)
    carry_out(run, examples, base, recipe)
    return run


def resume(run: Run) -> Run:
    """Carry on with a run. Raises InputError when its data has changed."""
    config = run.config
    recipe = Recipe.of(config["recipe"])
    examples = pairs.read(Path(config["data"]), Path(config["queries"]) if config["queries"] else None, recipe.seed)
    if examples.sha256 != config["training_data_sha256"]:
        raise InputError(f"{config['data']} has changed since {run.directory} began; start a new run.", "resume")
    run.begin()
    carry_out(run, examples, config["base"], recipe)
    return run


def carry_out(run: Run, examples: Examples, base: str, recipe: Recipe) -> None:
    """Train and save the model, unless that is done already; keep the status true whatever happens."""
    with logging_to(run), status_kept(run):
        finished = run.directory / runs.MODEL
        if not finished.is_dir():
            log.info("%d questions to learn from, %d held out", len(examples.train), len(examples.heldout))
            model, tokenizer = models.warm_started(base, recipe.seed)
            train(model, tokenizer, examples, recipe, run)
            aside = run.directory / f".{runs.MODEL}"
            shutil.rmtree(aside, ignore_errors=True)
            model.save_pretrained(aside)
            tokenizer.save_pretrained(aside)
            durable.move(aside, finished)
        shutil.rmtree(run.directory / runs.CHECKPOINTS, ignore_errors=True)


def train(
    model: QuestionGenerator, tokenizer: PreTrainedTokenizerBase, examples: Examples, recipe: Recipe, run: Run
) -> None:
    """Train `model` in place, from the run's last checkpoint where there is one. Raises Interrupted."""
    directory = run.directory / runs.CHECKPOINTS
    collator = Collator(tokenizer, examples.train)
    arguments = _arguments(len(examples.train), recipe, directory)
    run.update(steps=arguments.max_steps)
    with progress_bar() as progress:
        report = Report(run, progress, progress.add_task("training", total=arguments.max_steps), 1, 0, 0)
        held = Collator(tokenizer, examples.heldout)
        best = Best(
            model,
            lambda: measure(model, held, recipe.batch_size or 1),
            directory,
            recipe.patience,
            report,
            chosen_by=(METRIC,),
        )
        stop = Stop()
        trainer = _Trainer(
            model=model,
            args=arguments,
            train_dataset=collator.dataset(),
            data_collator=collator,
            callbacks=[stop, report, Whole(), best],
        )
        trainer.remove_callback(PrinterCallback)
        with stopping(stop.ask):
            trainer.train(resume_from_checkpoint=last_checkpoint(directory))
        if stop.asked and trainer.state.global_step < trainer.state.max_steps:
            resume = f"python -m trainer fit --resume {run.directory}"
            raise Interrupted(f"Interrupted at step {trainer.state.global_step}. Continue with: {resume}")
    log.info("Held-out likelihood of a word: %s", ", ".join(f"{value:.4f}" for value in best.history.values()))
    model.load_state_dict(torch.load(directory / BEST, weights_only=True, map_location="cpu"))
    model.train(False)


def measure(model: QuestionGenerator, collator: "Collator", size: int) -> Figures:
    """The held-out loss of a word, and its likelihood."""
    training = model.training
    model.train(False)
    total, words = 0.0, 0
    rows = sorted(range(len(collator.lengths)), key=collator.lengths.__getitem__)
    with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=native_bf16()):
        for start in range(0, len(rows), size):
            batch = collator([{"row": row} for row in rows[start : start + size]])
            count = int((batch["labels"] != IGNORED).sum())
            loss = model(**{name: value.to(model.device) for name, value in batch.items()}).loss
            total, words = total + float(loss) * count, words + count
    model.train(training)
    return {"heldout_loss": total / words, METRIC: math.exp(-total / words)}


class Collator:
    """From row numbers to a padded batch; the texts are tokenised once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> None:
        self.tokenizer = tokenizer
        self.groups = [one.group for one in examples]
        self.sources = _ids(tokenizer, [one.source for one in examples], PASSAGE_TOKENS)
        self.questions = _ids(tokenizer, [one.question for one in examples], QUESTION_TOKENS)
        self.lengths = [len(a) + len(b) for a, b in zip(self.sources, self.questions, strict=True)]

    def dataset(self) -> Dataset:
        """What the batches are made of: the row's number, its length and its passage."""
        return Dataset.from_dict({"row": list(range(len(self.groups))), "length": self.lengths, "label": self.groups})

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Features:
        """The decoder is given [CLS] and the question, and is to say the question and [SEP]."""
        chosen = [row["row"] for row in rows]
        padding = int(self.tokenizer.pad_token_id)
        source = _padded([self.sources[row] for row in chosen], padding)
        question = _padded([self.questions[row] for row in chosen], padding)
        labels = question[:, 1:].clone()
        return {
            "input_ids": source,
            "attention_mask": (source != padding).long(),
            "decoder_input_ids": question[:, :-1],
            "labels": labels.masked_fill(labels == padding, IGNORED),
        }


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], most: int) -> list[list[int]]:
    found: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"] if texts else []
    return found


def _padded(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


class _Trainer(PlainCheckpoints, Trainer):
    """Our batches, and two learning rates."""

    def get_train_dataloader(self) -> DataLoader[Any]:
        dataset: Any = self.train_dataset
        batches = EntryBatchSampler(dataset, self.args.per_device_train_batch_size, False, seed=self.args.seed)
        loader: DataLoader[Any] = DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: object = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            generator: Any = self.model
            slow = list(generator.encoder.parameters())
            known = {id(one) for one in slow}
            fast = [one for one in generator.parameters() if id(one) not in known]
            rate, decay = self.args.learning_rate, self.args.weight_decay
            groups = [{"params": slow, "lr": rate * ENCODER_RATE}, {"params": fast, "lr": rate}]
            self.optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)
        return self.optimizer

    def compute_loss(self, model: nn.Module, inputs: Features, *_: object, **__: object) -> Tensor:
        loss: Tensor = model(**inputs, label_smoothing=SMOOTHING).loss
        return loss


def _arguments(examples: int, recipe: Recipe, directory: Path) -> TrainingArguments:
    size, cuda = recipe.batch_size or 32, torch.cuda.is_available()
    epochs = recipe.epochs if recipe.epochs is not None else 3
    steps = math.ceil(math.ceil(examples / size) * epochs)
    return TrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        bf16=recipe.bf16 and native_bf16(),
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        save_strategy="steps",
        save_steps=max(CHECKPOINT_EVERY, steps // 10),
        save_total_limit=2,
        logging_steps=max(1, min(10, steps // 20)),
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
    )
