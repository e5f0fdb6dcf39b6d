"""Callbacks of a stage: stop on request, mark checkpoints, report progress, keep the best epoch."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from rich.progress import Progress, TaskID
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from app import durable
from trainer.runs import Run

METRIC = "mrr"  # chooses the best epoch
COMPLETE = "whole"  # the file that marks a complete checkpoint
UPDATE_EVERY = 0.1  # seconds between two updates of the status
Figures = dict[str, float]


class Stop(TrainerCallback):
    """Ends the training after the current step, with a checkpoint, once that is requested."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Stop after the current step."""
        self.requested = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """Tell the trainer to save and stop, if requested."""
        if self.requested:
            control.should_save = True
            control.should_training_stop = True
        return control


class MarkComplete(TrainerCallback):
    """Marks each checkpoint that is complete and flushed to disk. A kill or a power cut leaves checkpoints unmarked."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Flush and mark the checkpoint that was just written."""
        if state.is_world_process_zero:
            directory = Path(args.output_dir or "") / f"checkpoint-{state.global_step}"
            durable.flush_tree(directory)
            durable.write(directory / COMPLETE, "")


class Report(TrainerCallback):
    """Updates the status, the metrics and the progress bar.

    The status counts steps and epochs over all stages; the metrics count those of each stage.
    """

    def __init__(
        self,
        run: Run,
        progress: Progress,
        task: TaskID,
        stage: int,
        steps: int,
        epochs: float,
        batch: Callable[[], Figures] = dict,
    ) -> None:
        self.run = run
        self.progress = progress
        self.task = task
        self.stage, self.steps, self.epochs = stage, steps, epochs
        self.batch = batch  # the figures of the latest batch
        self._updated = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Write the stage into the status."""
        self.run.update(phase=f"training, stage {self.stage}", step=self.steps + state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Update the progress bar, and the status at most every `UPDATE_EVERY` seconds."""
        self.progress.update(self.task, completed=self.steps + state.global_step)
        if time.monotonic() - self._updated < UPDATE_EVERY and state.global_step < state.max_steps:
            return
        self._updated = time.monotonic()
        self.run.update(step=self.steps + state.global_step, epoch=round(self.epochs + (state.epoch or 0), 3))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Record the loss, the learning rate and the norm of the gradient."""
        figures = {key: value for key, value in (logs or {}).items() if key in ("loss", "learning_rate", "grad_norm")}
        if "loss" in figures:
            self.record(state, **figures, **self.batch())
            self.progress.update(self.task, description=f"stage {self.stage}, loss {figures['loss']:.3f}")

    def record(self, state: TrainerState, **figures: object) -> None:
        """Append a line to metrics.jsonl, with the step, epoch and stage."""
        self.run.record(step=state.global_step, epoch=state.epoch or 0, stage=self.stage, **figures)


class Best(TrainerCallback):
    """Measures the model at the beginning and after every `every` epochs, and keeps the weights of the best epoch.

    Its state is in `directory` (history.json, best.pt), so that a resumed stage continues from it. The beginning is
    epoch 0: a stage that does not help leaves the model unchanged. The stage ends after `patience` epochs without a
    better one.
    """

    def __init__(
        self,
        model: nn.Module,
        measure: Callable[[], Figures],
        directory: Path,
        patience: int,
        report: Report,
        every: int = 1,
        chosen_by: Sequence[str] = (METRIC,),
    ) -> None:
        self.chosen_by = chosen_by  # the epoch with the best mean of these figures is kept
        self.model, self.measure, self.report = model, measure, report
        self.directory, self.patience, self.every = directory, patience, every
        self.history: dict[int, float] = {}  # the metric by the step at which an epoch ended
        if (directory / "history.json").is_file():
            self.history = {int(step): value for step, value in json.loads(self._history.read_text()).items()}

    @property
    def _history(self) -> Path:
        return self.directory / "history.json"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Measure the beginning of the stage, or the last epoch of a run that was killed before it was measured."""
        self._epoch(state, control)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Measure the epoch, unless it was interrupted."""
        self._epoch(state, control)

    def _epoch(self, state: TrainerState, control: TrainerControl) -> None:
        step = state.global_step
        epochs = (state.epoch or 0) / self.every
        ended = abs(epochs - round(epochs)) < 1e-6 or step == state.max_steps
        if ended and step not in self.history:
            self._measure(step, state)
        if self.patience and self._since_best() >= self.patience:
            control.should_training_stop = True

    def _since_best(self) -> int:
        return len(self.history) - 1 - list(self.history).index(self.best) if self.history else 0

    @property
    def best(self) -> int:
        """The step of the best epoch; of equal epochs, the later one."""
        return max(self.history, key=lambda step: (self.history[step], step))

    def _measure(self, step: int, state: TrainerState) -> None:
        figures: list[Any] = [self.measure() if state.is_world_process_zero else None]
        broadcast_object_list(figures)
        self.history[step] = sum(figures[0].get(name, 0.0) for name in self.chosen_by) / len(self.chosen_by)
        if state.is_world_process_zero:
            self.report.record(state, metrics=figures[0])
            self.directory.mkdir(parents=True, exist_ok=True)
            if self.best == step:
                self._write("best.pt", lambda path: torch.save(self.model.state_dict(), path))
            self._write("history.json", lambda path: path.write_text(json.dumps(self.history), encoding="utf-8"))

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        temporary = self.directory / f"{name}.new"
        write(temporary)
        durable.move(temporary, self.directory / name)


@contextmanager
def stopping(request: Callable[[], None]) -> Iterator[None]:
    """Call `request` on the first SIGINT or SIGTERM; a second one ends the process. Only works in the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        request()
        signal.signal(number, before[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
