"""Several processes under torchrun: the first one leads the run, the others train without writing anything.

They share each batch: a recipe's batch size counts the pairs of all processes. A process uses one GPU.
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
    """A run that another process leads. This process only reads its directory."""

    def update(self, **changes: object) -> None:
        """Does nothing: the leader writes the status."""

    def record(self, **figures: object) -> None:
        """Does nothing: the leader writes the metrics."""


def count() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process is the first, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def warn_of_idle_gpus() -> None:
    """Log a warning if this is the only process and leaves GPUs idle."""
    visible = torch.cuda.device_count()
    if count() == 1 and visible > 1:
        log.warning(
            "%d GPUs are visible and one of them is used. To train on all of them, run: "
            "torchrun --nproc-per-node %d -m trainer fit ...",
            visible, visible,
        )  # fmt: skip


def led(make: Callable[[], Run]) -> Run:
    """The run that the leader makes. The other processes get it as a `Follower`."""
    if count() == 1:
        return make()
    PartialState(cpu=not torch.cuda.is_available())  # the process group
    run = make() if leads() else None
    shared: list[Any] = [run.directory if run else None]
    broadcast_object_list(shared)
    return run or Follower(shared[0])


def wait() -> None:
    """Wait until every process has reached this call."""
    if count() > 1:
        torch.distributed.barrier()
