"""Embeds a batch that comes in blocks of texts of similar length, in one forward pass of the model.

`DistributedDataParallel` expects one forward pass a step. With one pass for each block it would take the parameters of
the tower that the last block does not use for unused, and processes with different numbers of blocks would wait in
different collective operations.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Features = dict[str, Any]  # of one block: tensors of (texts, …), and, with two towers, the name of the tower


class BlockEncoder(SentenceTransformer):
    """A model that shares its modules with another one and can also embed a batch of blocks."""

    @classmethod
    def of(cls, model: SentenceTransformer) -> "BlockEncoder":
        """The model's modules, as a block encoder that writes no model card."""
        encoder = cls(modules=list(model), device=str(model.device))
        encoder.model_card_data.widget = [{}]  # otherwise examples are computed, with a progress bar
        encoder.model_card_data.generate_widget_examples = False
        return encoder.train(model.training)

    def forward(self, input: Features, **kwargs: Any) -> Features:  # noqa: ANN401  # the parent's signature
        """All embeddings, (texts, dimension), of `{"blocks": [...], "recompute": bool}`; else as the parent does."""
        if "blocks" in input:
            return embedded(super().forward, input["blocks"], input["recompute"])
        features: Features = super().forward(input, **kwargs)
        return features


class BlockHead(nn.Sequential):
    """The modules after a frozen encoder, which embed a batch of blocks of the encoder's vectors."""

    def forward(self, input: Features) -> Features:
        """All embeddings, (texts, dimension), of `{"blocks": [...], "recompute": bool}`."""
        return embedded(super().forward, input["blocks"], input["recompute"])


def embedded(embed: Callable[[Features], Features], blocks: Iterable[Features], recompute: bool) -> Features:
    """The embeddings of all blocks, concatenated, in float32. `recompute`: see `BatchLoss`."""

    def vectors(block: Features) -> Tensor:  # not the features, which hold all token embeddings
        embeddings: Tensor = embed(block)["sentence_embedding"].float()
        return embeddings

    embeddings = [checkpoint(vectors, block, use_reentrant=False) if recompute else vectors(block) for block in blocks]
    return {"sentence_embedding": torch.cat(embeddings)}


class BatchLoss(nn.Module):
    """A loss of a whole batch that embeds it in blocks.

    `recompute`: only the embeddings of a block are kept, and the block is embedded again for its gradients, so that
    memory holds the activations of one block at a time. Loss and gradients stay the same. This is GradCache (Gao et al.
    2021, arXiv 2101.06983) by torch's activation checkpointing. sentence-transformers has it in losses of its own
    (CachedMultipleNegativesRankingLoss); this class adds it to any loss, and keeps one forward pass a step.
    """

    def __init__(self, model: nn.Module, recompute: bool = False) -> None:
        super().__init__()
        self.model = model
        self.recompute = recompute
        self.cuts = 1  # the parts of each block
        self.largest = 0  # texts of a block, in the latest batch
        self.figures: dict[str, float] = {}  # of the latest batch

    def embed(self, blocks: Iterable[Features]) -> Tensor:
        """The embeddings of all blocks, (texts, dimension)."""
        batch = list(blocks)
        self.largest = max(map(_texts, batch))
        parts = [part for block in batch for part in cut(block, self.cuts)]
        vectors: Tensor = self.model({"blocks": parts, "recompute": self.recompute})["sentence_embedding"]
        return vectors

    def shrink(self) -> bool:
        """Use less memory from now on. False if the latest batch was already embedded text by text."""
        if not self.recompute:
            self.recompute = True
            return True
        if self.cuts >= self.largest:
            return False
        self.cuts *= 2
        return True

    @property
    def memory_use(self) -> str:
        """How much of a batch is in memory at a time, for the log."""
        if not self.recompute:
            return "the activations of a whole batch are held at a time"
        size = math.ceil(self.largest / self.cuts)
        return f"the activations of one block of at most {size} texts are held at a time"


def cut(block: Features, parts: int) -> Iterator[Features]:
    """The block in `parts` parts of equal size; in fewer where it has fewer texts."""
    count = _texts(block)
    size = math.ceil(count / parts)
    for start in range(0, count, size):
        rows = slice(start, start + size)
        yield {name: value[rows] if isinstance(value, Tensor) else value for name, value in block.items()}


def _texts(block: Mapping[str, Any]) -> int:
    return next(len(value) for value in block.values() if isinstance(value, Tensor))
