"""Two processes are one larger batch: the same losses, masks and gradients, whichever rank a text is on.

Whole runs in two processes are started by torchrun, as a user starts them.
"""

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from app.encoding.bundle import Bundle
from tests.trainer.conftest import faq, write_faq
from trainer.runs import METRICS, Run
from trainer.training.losses import Scoring, Side, Sides, logits, ranking_losses

PAIRS, NEGATIVES, SIZE = 4, (1, 2), 8  # pairs on each rank, negatives on the first and on the second


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Anchors, positives, groups, negatives and their groups of both ranks; entry 7 has a pair on each of them."""
    generator = torch.Generator().manual_seed(1)
    a, p, n = (torch.randn(count, SIZE, generator=generator) for count in (2 * PAIRS, 2 * PAIRS, sum(NEGATIVES)))
    return a, p, torch.tensor([7, 1, 2, 3, 7, 4, 5, 6]), n, torch.tensor([4, 7, 9])


def work(rank: int, store: Path, results: "multiprocessing.Queue[Any]") -> None:
    """One rank: its half of the batch, and the gradients with respect to it."""
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    a, p, groups, n, of = batch()
    rows = slice(rank * PAIRS, (rank + 1) * PAIRS)
    mined = slice(0, NEGATIVES[0]) if rank == 0 else slice(NEGATIVES[0], None)
    mine = [tensor.clone().requires_grad_() for tensor in (a[rows], p[rows], n[mined])]
    part = Sides.plain(Side(mine[0], groups[rows]), Side(mine[1], groups[rows]), Side(mine[2], of[mined]))
    loss = ranking_losses(logits(part, Scoring(0.05)))
    loss.mean().backward()  # type: ignore[no-untyped-call]
    results.put((rank, loss.tolist(), [tensor.grad.tolist() for tensor in mine if tensor.grad is not None]))
    distributed.barrier()
    distributed.destroy_process_group()


def test_masks_and_gradients_hold_across_ranks(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(rank, tmp_path / "store", results)) for rank in range(2)]
    for process in processes:
        process.start()
    of_ranks = sorted(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0

    a, p, groups, n, of = batch()
    one_process = [tensor.requires_grad_() for tensor in (a, p, n)]
    losses = ranking_losses(logits(Sides.plain(Side(a, groups), Side(p, groups), Side(n, of)), Scoring(0.05)))
    losses.mean().backward()  # type: ignore[no-untyped-call]
    assert [loss for _, part, _ in of_ranks for loss in part] == pytest.approx(losses.tolist(), rel=1e-5)
    for column, expected in enumerate(one_process):
        parts = (
            torch.cat([torch.tensor(gradients[column]) for _, _, gradients in of_ranks]) / 2
        )  # DDP averages the ranks
        assert expected.grad is not None
        assert torch.allclose(parts, expected.grad, atol=1e-5)


def test_default_and_dual_train_in_two_processes_from_a_faq_to_a_bundle(tiny_base: Path, tmp_path: Path) -> None:
    """Gloo on the CPU. The processes cut their parts of a batch into different numbers of blocks."""
    write_faq(tmp_path / "faq.jsonl", faq(40, 3))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "tests.trainer.two_ranks", str(tmp_path), str(tiny_base)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2))
    for recipe, stages in (("default", {1, 2}), ("dual", {1})):
        blocks, weights = zip(*first[recipe], strict=True)
        others, same = zip(*second[recipe], strict=True)
        assert blocks != others
        assert weights == same  # before every step: the gradients of the one before were shared
        assert len(set(weights)) > len(weights) // 2
        run = Run.find(str(tmp_path / recipe))
        assert run.status().state == "succeeded"
        assert Bundle.load(run.bundle).manifest.recipe == recipe
        lines = [json.loads(line) for line in (run.directory / METRICS).read_text().splitlines()]
        assert {line["stage"] for line in lines if "loss" in line} == stages
