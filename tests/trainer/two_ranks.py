"""One of two processes that train both recipes; torchrun starts it with a directory and a base model.

It leaves in `rank-<n>.json`, for each recipe and step of training, how many blocks it embedded and with which weights.
"""

import hashlib
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from trainer import fit
from trainer.recipes import RECIPES
from trainer.training import memory, tokens
from trainer.training.blocks import BlockEncoder


def main(directory: Path, base: str) -> None:
    """Train both recipes, and write the recorded steps to a file."""
    steps: dict[str, list[tuple[int, str]]] = defaultdict(list)

    def note(module: nn.Module, given: tuple[Any, ...]) -> None:
        """Called before every forward pass of a module."""
        if isinstance(module, BlockEncoder) and "blocks" in given[0]:
            steps[recipe.name].append((len(given[0]["blocks"]), digest(module)))

    register_module_forward_pre_hook(note)
    tokens.BLOCK_TOKENS["cpu"] = 128  # several blocks a batch
    for recipe, share in ((RECIPES["default"], 1.0), (RECIPES["dual"], 0.0)):
        memory.SHARE = share  # with a share of 0 every batch is recomputed in blocks
        short = recipe.override(epochs=1, batch_size=16)
        fit.start(directory / "faq.jsonl", None, base, short, directory / recipe.name)
    (directory / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(steps), encoding="utf-8")


def digest(model: nn.Module) -> str:
    """Of all weights."""
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
