"""Whether a batch fits: what its activations take, against what is free."""

import os
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from trainer.training.model import backbone

# Bytes of activations per token, layer and hidden unit, half of them in 16 bits. "Reducing Activation Recomputation
# in Large Transformer Models" (Korthikanti et al. 2022, arXiv 2205.05198) has 34 for 16 bits, without attention.
UNIT, RECOMPUTED_UNIT = 80, 4
SHARE = 0.5  # of what is free


def fits(model: SentenceTransformer, tokens: float, recomputed: bool = False) -> bool:
    """Whether a batch of so many tokens can be embedded at once, its activations kept."""
    config = backbone(model).config
    unit = RECOMPUTED_UNIT if recomputed else UNIT
    return bool(tokens * config.num_hidden_layers * config.hidden_size * unit <= SHARE * free_bytes())


def free_bytes() -> int:
    """What is free on the GPU, or in the machine where there is none."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
