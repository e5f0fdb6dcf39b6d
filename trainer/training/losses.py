"""The ranking loss: in-batch negatives in four directions, without the texts of the same entry.

For a question q, its answer a, and the other pairs (q', a') of the batch, as in "Towards General Text Embeddings with
Multi-stage Contrastive Learning" (GTE; Li et al. 2023, arXiv 2308.03281, "improved contrastive loss"):

    loss = -log( e(q, a) / (e(q, a) + sum e(q, a') + e(q', a) + e(q, q') + e(a, a')) ),   e = exp(cosine / temperature)

The project has a loss of its own because sentence-transformers' MultipleNegativesRankingLoss sums over all other pairs
of the batch; this one sums over the pairs of *other groups*. A FAQ has several phrasings of one question, and a second
phrasing in the denominator would be pushed away from its own answer.

A mined negative n adds e(q, n) for every q of another group, whichever pair n was mined for. A known negative counts
against the anchor or the positive of its own pair only, whatever its group. Under torchrun the sums run over the
batches of all ranks, and each rank computes the loss of its own pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from sentence_transformers.util.distributed import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from trainer.training.blocks import BatchLoss
from trainer.training.labels import PairLabels

_MASKED = -1e9  # a finite score, so that a pair without negatives still has a gradient
_PADDING = -1  # the group of the rows that fill up a rank's negatives


class Side(NamedTuple):
    """Texts of one kind: their embeddings, (n, dimension), and their groups, (n,)."""

    vectors: Tensor
    groups: Tensor


class KnownNegatives(NamedTuple):
    """Texts that count against one pair each: their embeddings, (n, dimension), and the row of that pair, (n,)."""

    vectors: Tensor
    rows: Tensor


class Sides(NamedTuple):
    """The embeddings of a batch by role. `weights`: (pairs,)."""

    anchors: Side
    positives: Side
    negatives: Side  # mined
    known: tuple[KnownNegatives, KnownNegatives]  # against anchors, against positives
    weights: Tensor

    @classmethod
    def plain(cls, anchors: Side, positives: Side, negatives: Side) -> "Sides":
        """A batch whose pairs all weigh 1, without known negatives."""
        nothing = KnownNegatives(anchors.vectors[:0], anchors.groups[:0])
        return cls(anchors, positives, negatives, (nothing, nothing), anchors.vectors.new_ones(len(anchors.groups)))


@dataclass(frozen=True)
class Scoring:
    """How texts are compared. `same_side`: also anchors with anchors, and positives with positives.

    `dimensions`: the loss is the mean over the whole vector and these leading parts of it (Matryoshka representation
    learning; Kusupati et al. 2022, arXiv 2205.13147).
    """

    temperature: float
    dimensions: tuple[int, ...] = ()
    same_side: bool = True


class EntryRankingLoss(BatchLoss):
    """The loss of a batch that comes in blocks of distinct texts, with `PairLabels` that say what each text is."""

    def __init__(self, model: nn.Module, scoring: Scoring, recompute: bool = False) -> None:
        super().__init__(model, recompute)
        self.scoring = scoring

    def forward(self, features: Iterable[dict[str, Tensor]], labels: PairLabels) -> Tensor:
        """The mean loss over the batch's pairs, a scalar."""
        batch = sides(self.embed(features), labels)
        losses = []
        for dimension in (None, *self.scoring.dimensions):
            scores = logits(batch, self.scoring, dimension)
            losses.append((batch.weights * ranking_losses(scores)).mean())
            if dimension is None:
                with torch.no_grad():
                    self.figures = batch_figures(scores)
        return torch.stack(losses).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """The settings that sentence-transformers writes into a model card."""
        return {"temperature": self.scoring.temperature, "recompute": self.recompute}


def sides(vectors: Tensor, labels: PairLabels) -> Sides:
    """The embeddings of a batch, (texts, dimension), by role."""
    return Sides(
        Side(vectors[labels.anchors], labels.groups),
        Side(vectors[labels.positives], labels.groups),
        Side(vectors[labels.negatives], labels.negative_groups),
        (
            KnownNegatives(vectors[labels.anchor_negatives], labels.anchor_rows),
            KnownNegatives(vectors[labels.positive_negatives], labels.positive_rows),
        ),
        labels.weights,
    )


class Scores(NamedTuple):
    """The score of each pair of this rank, (pairs,), and the scores of its negatives, in blocks of (pairs, n)."""

    positive: Tensor
    negative: list[Tensor]


def logits(batch: Sides, scoring: Scoring, dimension: int | None = None) -> Scores:
    """The scores of a batch; with `dimension`, by only that many leading dimensions.

    A text that is no negative of a pair scores `_MASKED`, which adds nothing to a sum of exponentials.
    """
    a, p, n = (_unit(side.vectors, dimension) for side in batch[:3])
    groups, temperature = batch.anchors.groups, scoring.temperature
    every_a, every_p = _gathered(a), _gathered(p)  # (ranks * pairs, dimension)
    every_n, n_groups = _gathered_ragged(n, batch.negatives.groups)
    same = groups[:, None] == _gathered(groups)  # (pairs, ranks * pairs)

    def scores(texts: Tensor, others: Tensor, masked: Tensor) -> Tensor:
        return (texts / temperature @ others.T).masked_fill(masked, _MASKED)

    negative = [scores(a, every_p, same)]
    negative.append(negative[0].T if get_world_size() == 1 else scores(p, every_a, same))
    if scoring.same_side:
        negative += [scores(a, every_a, same), scores(p, every_p, same)]
    if len(every_n):
        negative.append(scores(a, every_n, (groups[:, None] == n_groups) | (n_groups == _PADDING)))
    rows = torch.arange(len(a), device=a.device)[:, None]
    for side, known in zip((a, p), batch.known, strict=True):
        if len(known.rows):
            negative.append(scores(side, _unit(known.vectors, dimension), rows != known.rows))
    return Scores((a * p).sum(dim=-1) / temperature, negative)


def ranking_losses(scores: Scores) -> Tensor:
    """The loss of each pair, (pairs,)."""
    sums = [scores.positive, *(block.logsumexp(dim=1) for block in scores.negative)]
    return torch.stack(sums).logsumexp(dim=0) - scores.positive


def batch_figures(scores: Scores) -> dict[str, float]:
    """Precision@1 and MRR of the batch: each pair is ranked among its negatives."""
    positive = scores.positive[:, None]
    rank = 1.0 + torch.stack([(block > positive).sum(dim=1) for block in scores.negative]).sum(dim=0)
    return {"batch_precision@1": float((rank == 1).float().mean()), "batch_mrr": float((1 / rank).mean())}


def _unit(vectors: Tensor, dimension: int | None) -> Tensor:
    return normalize(vectors[:, :dimension].float(), dim=-1)


def _gathered(tensor: Tensor) -> Tensor:
    """The tensors of all ranks, concatenated. All ranks must give the same shape."""
    if get_world_size() == 1:
        return tensor
    gathered: Tensor = all_gather_with_grad(tensor) if tensor.requires_grad else all_gather(tensor.contiguous())
    return gathered


def _gathered_ragged(vectors: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors and groups of all ranks, which may differ in number; the rest is padded."""
    if get_world_size() == 1:
        return vectors, groups
    most = int(_gathered(torch.tensor([len(groups)], device=groups.device)).max())
    if most == 0:
        return vectors, groups
    missing = most - len(groups)
    padded = pad(vectors, (0, 0, 0, missing))
    return _gathered(padded), _gathered(pad(groups, (0, missing), value=_PADDING))
