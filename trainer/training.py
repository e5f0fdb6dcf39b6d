"""The training loop: sentence-transformers' trainer with our loss, batches, checkpoints and progress."""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from datasets import Dataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from app.errors import FaqError
from trainer.data import TrainingSet
from trainer.losses import EntryRankingLoss
from trainer.recipes import Recipe
from trainer.runs import CHECKPOINTS, Run
from trainer.sampler import EntryBatchSampler

CHECKPOINT_EVERY = 50  # steps, or a tenth of all, whichever is more


class Interrupted(FaqError):
    """Somebody asked the training to stop; what it reached is kept."""

    code = "interrupted"


def train(model: SentenceTransformer, training: TrainingSet, recipe: Recipe, run: Run) -> None:
    """Train `model` in place, from the run's last checkpoint where there is one. Raises Interrupted."""
    stop = _Stop()
    model.model_card_data.widget = [{}]  # else examples for a model card are computed, with a bar of their own
    with _progress() as progress:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=_arguments(training, recipe, run.directory / CHECKPOINTS),
            train_dataset=_dataset(training),
            loss=EntryRankingLoss(model, recipe.temperature),
            callbacks=[stop, _Report(run, progress)],
        )
        trainer.remove_callback(PrinterCallback)
        with _stopping(stop.ask):
            trainer.train(resume_from_checkpoint=_last_checkpoint(run))
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        done = f"step {trainer.state.global_step} of {trainer.state.max_steps}"
        raise Interrupted(f"Interrupted at {done}. Continue with: python -m trainer fit --resume {run.directory}")
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # autocast would end up in the exported graph
    model.eval()


def native_bf16() -> bool:
    """Whether this machine computes in bfloat16 natively; emulated, it is slower than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _last_checkpoint(run: Run) -> str | None:
    directory = run.directory / CHECKPOINTS
    if not directory.is_dir():
        return None
    last: str | None = get_last_checkpoint(str(directory))  # type: ignore[no-untyped-call]
    return last


def _dataset(training: TrainingSet) -> Dataset:
    anchors, positives, groups = zip(*training.pairs, strict=True)
    return Dataset.from_dict({"anchor": list(anchors), "positive": list(positives), "label": list(groups)})


def _arguments(training: TrainingSet, recipe: Recipe, directory: Path) -> SentenceTransformerTrainingArguments:
    plan = recipe.planned(len(training.pairs))
    return SentenceTransformerTrainingArguments(
        output_dir=str(directory),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(recipe.warmup * plan.steps),
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        bf16=recipe.bf16 and native_bf16(),
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        batch_sampler=EntryBatchSampler,
        save_strategy="steps",
        save_steps=max(CHECKPOINT_EVERY, plan.steps // 10),
        save_total_limit=2,
        logging_steps=max(1, min(10, plan.steps // 20)),
        report_to=[],
        disable_tqdm=True,
    )


class _Stop(TrainerCallback):
    """Ends the training after the present step, with a checkpoint, once it was asked to."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        self.asked = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        if self.asked:
            control.should_save = True
            control.should_training_stop = True
        return control


class _Report(TrainerCallback):
    """Keeps status, metrics and the progress bar up to date."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.task = progress.add_task("training", total=None)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self.progress.update(self.task, total=state.max_steps, completed=state.global_step)
        self.run.update(phase="training", steps=state.max_steps, step=state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        self.progress.update(self.task, completed=state.global_step)
        self.run.update(step=state.global_step, epoch=round(state.epoch or 0, 3))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        figures = {key: value for key, value in (logs or {}).items() if key in ("loss", "learning_rate", "grad_norm")}
        if "loss" in figures:
            self.run.record(step=state.global_step, epoch=state.epoch, **figures)
            self.progress.update(self.task, description=f"training, loss {figures['loss']:.3f}")


def _progress() -> Progress:
    console = Console(stderr=True)  # the run's directory alone goes to standard output
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


@contextmanager
def _stopping(ask: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask once; a second one ends the process as usual. Only the main thread may listen."""

    def asked(number: int, frame: FrameType | None) -> None:
        ask()
        signal.signal(number, before[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
