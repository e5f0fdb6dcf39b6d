"""The training loop: runs sentence-transformers' trainer stage by stage.

Each stage has a directory below the run's checkpoints: the trainer's checkpoints, the weights of the best epoch, and
`done`, its final weights. The negatives mined for stage 2 stay in the run: negatives.json.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from sentence_transformers import SentenceTransformer
from transformers import PrinterCallback

from app import durable
from app.errors import FaqError, InputError
from trainer.data.training_set import TrainingSet
from trainer.recipes import FineTuningRecipe, Recipe, Stage
from trainer.runs import CHECKPOINTS, Run
from trainer.training import distributed
from trainer.training import model as models
from trainer.training.blocks import BlockEncoder
from trainer.training.callbacks import Best, Figures, MarkComplete, Report, Stop, stopping
from trainer.training.head import add_head, fold_head
from trainer.training.mining import Negatives, mine
from trainer.training.objectives import objective, rows
from trainer.training.steps import BatchTrainer, arguments, last_checkpoint

NEGATIVES, DONE, BEST = "negatives.json", "done", "best.pt"
Validate = Callable[[SentenceTransformer], Figures]
log = logging.getLogger("trainer")


class Interrupted(FaqError):
    """The training was stopped on request. The run can be resumed."""

    code = "interrupted"


def train(
    model: SentenceTransformer, training: TrainingSet, recipe: Recipe, run: Run, validate: Validate | None = None
) -> None:
    """Train `model` in place, from the run's last checkpoint where there is one. Raises Interrupted.

    `validate` measures a model, and the weights of the best epoch are kept; without it those of the last epoch are.
    Raises InputError for a recipe that cannot train in several processes.
    """
    tuning = recipe if isinstance(recipe, FineTuningRecipe) else None
    adapters = models.add_adapters(model, tuning.lora_rank, recipe.seed) if tuning and tuning.lora_rank else None
    if recipe.trainable == "head":
        if distributed.count() > 1:
            raise InputError(f"{recipe.name} trains in one process only. Start it without torchrun.", "recipe")
        add_head(model, recipe.seed)
    distributed.warn_of_idle_gpus()
    stages = recipe.stages(rows(training, recipe), training.groups)
    steps = sum(stage.plan.steps for stage in stages)
    run.update(steps=steps)
    with (
        progress_bar() as progress,
        models.eager_attention(model),
        models.gradient_checkpointing(model, recipe.gradient_checkpointing),
    ):
        task = progress.add_task("training", total=steps)
        training_run = _Training(model, training, recipe, stages, run, validate, progress, task)
        for stage in stages:
            training_run.carry_out(stage)
    if adapters is not None:
        models.merge_adapters(adapters)
    if recipe.trainable == "head":
        fold_head(model)
    if tuning and tuning.dimension:
        models.truncate(model, tuning.dimension)
    model.eval()


def native_bf16() -> bool:
    """Whether this machine computes in bfloat16 natively. Emulated bfloat16 is slower than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class _Training:
    """A training: what its stages share."""

    model: SentenceTransformer
    training: TrainingSet
    recipe: Recipe
    stages: list[Stage]
    run: Run
    validate: Validate | None
    progress: Progress
    task: TaskID

    @property
    def bf16(self) -> bool:
        return self.recipe.bf16 and native_bf16()

    def directory(self, number: int) -> Path:
        return self.run.directory / CHECKPOINTS / f"stage-{number}"

    def carry_out(self, stage: Stage) -> None:
        """Train a stage unless it is done, and load its final weights into the model."""
        directory = self.directory(stage.number)
        if not (directory / DONE).is_file():
            self._train(stage, directory)
        weights = torch.load(directory / DONE, weights_only=True, map_location="cpu")
        self.model.load_state_dict(weights)

    def _train(self, stage: Stage, directory: Path) -> None:
        negatives = self._mined(stage) if stage.negatives else None
        encoder = BlockEncoder.of(self.model)
        parts = objective(encoder, self.training, self.recipe, stage, negatives, self.bf16)
        earlier = self.stages[: stage.number - 1]
        steps, epochs = sum(stage.plan.steps for stage in earlier), sum(stage.plan.epochs for stage in earlier)
        report = Report(self.run, self.progress, self.task, stage.number, steps, epochs, lambda: parts.loss.figures)
        best = self._best(encoder, directory, report)
        stop = Stop()
        trainer = BatchTrainer(
            model=encoder,
            args=arguments(self.recipe, stage, directory, self.bf16, parts.sampler),
            train_dataset=parts.dataset,
            data_collator=parts.collator,  # type: ignore[arg-type]  # any callable works
            loss=parts.loss,
            callbacks=[stop, report, MarkComplete(), *([best] if best else [])],
        )
        trainer.remove_callback(PrinterCallback)
        with stopping(stop.request):
            trainer.train(resume_from_checkpoint=last_checkpoint(directory))
        if stop.requested and trainer.state.global_step < trainer.state.max_steps:
            raise self._interrupted(steps + trainer.state.global_step)
        self._finish(stage, directory, best)
        if stop.requested and stage.number < len(self.stages):
            raise self._interrupted(steps + trainer.state.global_step)

    def _best(self, encoder: BlockEncoder, directory: Path, report: Report) -> Best | None:
        if self.validate is None:
            return None
        validate, recipe = self.validate, self.recipe
        measure = partial(validate, encoder)
        return Best(encoder, measure, directory, recipe.patience, report, recipe.measure_every, recipe.chosen_by)

    def _interrupted(self, step: int) -> Interrupted:
        steps = sum(stage.plan.steps for stage in self.stages)
        resume = f"python -m trainer fit --resume {self.run.directory}"
        return Interrupted(f"Interrupted at step {step} of {steps}. Continue with: {resume}")

    def _finish(self, stage: Stage, directory: Path, best: Best | None) -> None:
        """Log the result of the stage, and store its weights as DONE."""
        if best is not None:
            first, chosen = best.history.get(0, 0.0), best.history[best.best]
            figure = " and ".join(self.recipe.chosen_by)
            log.info("Stage %d: held-out %s %.4f -> %.4f", stage.number, figure, first, chosen)
            if best.best == 0:
                log.warning(
                    "Stage %d did not help on held-out questions. The weights from before it are kept.", stage.number
                )
        if distributed.leads():
            temporary = directory / f"{DONE}.new"  # torch refuses a leading dot
            if best is not None:
                (directory / BEST).replace(temporary)
            else:
                torch.save(self.model.state_dict(), temporary)
            durable.move(temporary, directory / DONE)
        distributed.wait()

    def _mined(self, stage: Stage) -> Negatives:
        """The stage's negatives, mined now unless the run has them."""
        path = self.run.directory / NEGATIVES
        if distributed.leads() and not path.is_file():
            self.run.update(phase="mining")
            mine(self.model, self.training.pairs, stage.negatives, self.recipe.margin, self.bf16).save(path)
        distributed.wait()
        return Negatives.load(path)


def progress_bar() -> Progress:
    """A progress bar on standard error, shown by the leading process."""
    console = Console(stderr=True)  # standard output is for the run's directory
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not distributed.leads(),
    )
