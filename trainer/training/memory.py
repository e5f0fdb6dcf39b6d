"""Estimates whether the activations of a batch fit into the free memory."""

import os
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from trainer.training.model import backbone

# Bytes of activations per token, layer and hidden unit, half of them in 16 bits. "Reducing Activation Recomputation
# in Large Transformer Models" (Korthikanti et al. 2022, arXiv 2205.05198) has 34 for 16 bits, without attention.
UNIT, RECOMPUTED_UNIT = 80, 4
SHARE = 0.5  # of the free memory


def fits(model: SentenceTransformer, tokens: float, recomputed: bool = False) -> bool:
    """Whether the activations of a batch of so many tokens fit. `recomputed`: with gradient checkpointing."""
    config = backbone(model).config
    unit = RECOMPUTED_UNIT if recomputed else UNIT
    return bool(tokens * config.num_hidden_layers * config.hidden_size * unit <= SHARE * free_bytes())


def free_bytes() -> int:
    """The free memory of the GPU, or of the machine where there is no GPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
