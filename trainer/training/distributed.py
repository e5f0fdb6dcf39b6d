"""Several processes under torchrun: the first one leads the run, the others train and say nothing.

Batches are shared among them, so that a recipe's batch size means all of them together. A process uses one GPU.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from trainer.runs import Run

log = logging.getLogger("trainer")


class Follower(Run):
    """Another process's run, in its directory: read here, written there."""

    def update(self, **changes: object) -> None:
        """Leave the status to the leader."""

    def record(self, **figures: object) -> None:
        """Leave the metrics to the leader."""


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process is the first, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def warn_of_idle_gpus() -> None:
    """Say in the log that further GPUs are left idle, and how to use them, where this is the only process."""
    visible = torch.cuda.device_count()
    if count() == 1 and visible > 1:
        log.warning(
            "%d GPUs are visible and one of them is used. To train on all of them: "
            "torchrun --nproc-per-node %d -m trainer fit ...",
            visible, visible,
        )  # fmt: skip


def led(make: Callable[[], Run]) -> Run:
    """The run that the leader makes; the other processes get it too, as followers."""
    if count() == 1:
        return make()
    PartialState(cpu=not torch.cuda.is_available())  # the process group
    run = make() if leads() else None
    shared: list[Any] = [run.directory if run else None]
    broadcast_object_list(shared)
    return run or Follower(shared[0])


def wait() -> None:
    """Until every process has come here."""
    if count() > 1:
        torch.distributed.barrier()
