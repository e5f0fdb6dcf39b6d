"""What the texts of a batch are: the typed record that the collator makes and the ranking loss reads."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class PairLabels:
    """The pairs of a batch and the texts that count against them.

    Texts are named by their position among the batch's embeddings. All tensors are int64 except `weights`. The data
    loader and accelerate move the record as they move a tensor, through `pin_memory` and `to`.
    """

    anchors: Tensor  # (pairs,) positions
    positives: Tensor  # (pairs,) positions, in the order of the anchors
    groups: Tensor  # (pairs,); texts of one group are never negatives of each other
    weights: Tensor  # (pairs,) float32: how much each pair counts
    negatives: Tensor  # (mined,) positions of the mined negatives, which count against every pair of another group
    negative_groups: Tensor  # (mined,)
    anchor_negatives: Tensor  # (m,) positions of the texts that count against the anchor of one pair
    anchor_rows: Tensor  # (m,): the row of that pair
    positive_negatives: Tensor  # (n,) positions of the texts that count against the positive of one pair
    positive_rows: Tensor  # (n,): the row of that pair

    def to(self, device: torch.device, non_blocking: bool = False) -> "PairLabels":
        """The labels on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "PairLabels":
        """The labels in page-locked memory, from which a GPU copies faster."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "PairLabels":
        return PairLabels(**{field.name: change(getattr(self, field.name)) for field in fields(self)})
