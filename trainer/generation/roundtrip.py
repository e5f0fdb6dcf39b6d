"""Round-trip filtering: a query is kept if a bi-encoder finds the passage that it was generated from.

"Promptagator: Few-shot Dense Retrieval From 8 Examples" (Dai et al. 2022, arXiv 2209.11755, round-trip filtering).
"""

from collections.abc import Sequence

import torch

from trainer.training import model as models
from trainer.training.loop import native_bf16
from trainer.training.mining import BLOCK_CELLS
from trainer.training.tokens import Tokens, embed


class RoundTrip:
    """A bi-encoder and its vectors of all passages, (passages, dimension)."""

    def __init__(self, passages: Sequence[str], encoder: str) -> None:
        self.model = models.load(encoder)
        self.passages = self._vectors(passages)

    def ranks(self, queries: Sequence[str], own: Sequence[int]) -> list[int]:
        """The rank, from 1, of each query's own passage, given by position; ties count for it."""
        vectors, ranks = self._vectors(queries), list[int]()
        size = max(1, BLOCK_CELLS // len(self.passages))
        for start in range(0, len(queries), size):
            scores = vectors[start : start + size] @ self.passages.T  # (block, passages)
            own_score = scores.gather(1, torch.tensor(own[start : start + size])[:, None])  # (block, 1)
            ranks += (1 + (scores > own_score).sum(dim=1)).tolist()
        return ranks

    def _vectors(self, texts: Sequence[str]) -> torch.Tensor:
        with models.eager_attention(self.model):
            return embed(self.model, Tokens(self.model, texts), native_bf16())
