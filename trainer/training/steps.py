"""sentence-transformers' trainer, configured for a stage: one GPU a process, plain checkpoints, batches that fit."""

import logging
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch import Tensor, nn

from trainer.recipes import Recipe, Stage
from trainer.training import distributed
from trainer.training.callbacks import COMPLETE
from trainer.training.towers import QUESTION

CHECKPOINT_EVERY = 50  # steps; a tenth of all steps if that is more
WEIGHTS = "weights.pt"
log = logging.getLogger("trainer")


class BatchTrainer(SentenceTransformerTrainer):
    """Trains by a `BatchLoss`. Checkpoints hold the plain weights, with or without adapters."""

    args: Any
    model: Any

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any) -> Tensor:  # noqa: ANN401
        """The loss of one step. A batch that does not fit into memory is repeated in smaller blocks.

        Raises the allocator's error if a single text does not fit. Under torchrun it raises at once, because the other
        processes wait in a collective operation of the failed step.
        """
        function: Any = self.loss  # a BatchLoss
        while True:
            try:
                loss: Tensor = super().training_step(model, dict(inputs), *rest)
                return loss
            except RuntimeError as error:
                if distributed.count() > 1 or not should_reduce_batch_size(error) or not function.shrink():
                    raise
            log.warning("A batch does not fit into memory. From now on %s.", function.memory_use)
            model.zero_grad(set_to_none=True)
            clear_device_cache(garbage_collection=True)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        directory = Path(output_dir or self.args.output_dir or "")
        directory.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), directory / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        weights = torch.load(Path(resume_from_checkpoint) / WEIGHTS, weights_only=True, map_location="cpu")
        self.model.load_state_dict(weights)


class Arguments(SentenceTransformerTrainingArguments):
    """sentence-transformers' arguments, for one GPU a process.

    With several visible GPUs transformers would wrap the model in `DataParallel`, which splits every batch, so that a
    text would meet only the negatives of its own part.
    """

    @property
    def n_gpu(self) -> int:
        return min(1, int(super().n_gpu))


def last_checkpoint(directory: Path) -> str | None:
    """The latest complete checkpoint of a stage. Incomplete ones are deleted."""
    checkpoints = sorted(directory.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    complete = [path for path in checkpoints if (path / COMPLETE).exists()]
    if distributed.leads():
        for path in set(checkpoints) - set(complete):
            shutil.rmtree(path)
    return str(complete[-1]) if complete else None


def arguments(
    recipe: Recipe, stage: Stage, directory: Path, bf16: bool, sampler: type[DefaultBatchSampler]
) -> Arguments:
    """The trainer's arguments for a stage whose checkpoints go to `directory`."""
    plan, cuda = stage.plan, torch.cuda.is_available()
    return Arguments(
        output_dir=str(directory),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=max(2, plan.batch_size // distributed.count()),  # the plan is for all ranks
        learning_rate=stage.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(recipe.warmup * plan.steps),
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        bf16=bf16,
        use_cpu=not cuda,
        ddp_broadcast_buffers=False,  # buffers do not change
        ddp_find_unused_parameters=True,  # a process's part of a batch can have no text for a tower
        dataloader_drop_last=distributed.count() > 1,
        dataloader_pin_memory=cuda and recipe.trainable != "head",  # the batches of a head are already on the GPU
        batch_sampler=sampler,
        router_mapping={"row": QUESTION},  # required for towers; the batches name the tower themselves
        save_strategy="steps",
        save_steps=max(CHECKPOINT_EVERY, plan.steps // 10),
        save_total_limit=2,
        logging_steps=max(1, min(10, plan.steps // 20)),
        report_to=[],
        disable_tqdm=True,
    )
