"""The loss: in-batch ranking in four directions, blind to texts of the same entry.

For a question q, its answer a, and the other pairs (q', a') of the batch, as in "Towards General Text Embeddings with
Multi-stage Contrastive Learning" (GTE; Li et al. 2023, arXiv 2308.03281, "improved contrastive loss"):

    loss = -log( e(q, a) / (e(q, a) + sum e(q, a') + e(q', a) + e(q, q') + e(a, a')) ),   e = exp(cosine / temperature)

One difference, and the reason why sentence-transformers' MultipleNegativesRankingLoss is not used with all four of its
directions: there the sums run over the rest of the batch, here over the pairs of *other entries*. A FAQ has several
phrasings of one question, and a second phrasing in the denominator would be pushed away from the answer it belongs to.

Mined negatives n add e(q, n) for each q and every n of another entry, whichever pair n was mined for. A text that is to
be kept apart from q or from a counts against that pair alone, whatever entry it is of. Under torchrun the sums run over
the batches of all ranks, each rank answering for the rows of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from sentence_transformers.util.distributed import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from trainer.training.blocks import BatchLoss

ANCHOR, POSITIVE, NEGATIVE, APART, APART_FROM_POSITIVE = range(5)  # what a text is in a batch
_NEVER = -1e9  # finite, so that a pair that stands against nothing has a gradient
_NOBODY = -1  # the group of what fills up a rank's negatives: nobody's negative


class Side(NamedTuple):
    """Texts of one kind: their embeddings (n, dimension) and the groups of their entries (n,)."""

    vectors: Tensor
    groups: Tensor


class Apart(NamedTuple):
    """Texts to keep apart: their embeddings (n, dimension) and from which pair of the batch each, (n,)."""

    vectors: Tensor
    rows: Tensor


class Sides(NamedTuple):
    """A batch: the texts of its pairs, mined ones, those apart from anchors and from positives; weights (batch,)."""

    anchors: Side
    positives: Side
    negatives: Side
    apart: tuple[Apart, Apart]
    weights: Tensor

    @classmethod
    def plain(cls, anchors: Side, positives: Side, negatives: Side) -> "Sides":
        """A batch whose pairs all weigh 1, with nothing to keep apart."""
        nothing = Apart(anchors.vectors[:0], anchors.groups[:0])
        return cls(anchors, positives, negatives, (nothing, nothing), anchors.vectors.new_ones(len(anchors.groups)))


@dataclass(frozen=True)
class Scoring:
    """How texts are compared, and with which. `same_side`: anchors with anchors too, and positives with positives.

    `dimensions`: the loss is the mean over the whole vector and these leading parts of it (Matryoshka representation
    learning; Kusupati et al. 2022, arXiv 2205.13147).
    """

    temperature: float
    dimensions: tuple[int, ...] = ()
    same_side: bool = True


class EntryRankingLoss(BatchLoss):
    """Features are blocks of padded texts, each text once; labels, (n, 4), say what they are.

    A label is (which text, what it is, group, weight); of a text to keep apart, the third is the row of its pair.
    Anchors and positives are given in the same order.
    """

    def __init__(self, model: nn.Module, scoring: Scoring, recompute: bool = False) -> None:
        super().__init__(model, recompute)
        self.scoring = scoring

    def forward(self, features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The mean loss over the batch's pairs, a scalar."""
        batch = sides(self.embed(features), labels)
        losses = []
        for dimension in (None, *self.scoring.dimensions):
            found = logits(batch, self.scoring, dimension)
            losses.append((batch.weights * ranking_losses(found)).mean())
            if dimension is None:
                with torch.no_grad():
                    self.figures = batch_figures(found)
        return torch.stack(losses).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """What sentence-transformers writes into the model card."""
        return {"temperature": self.scoring.temperature, "recompute": self.recompute}


def sides(vectors: Tensor, labels: Tensor) -> Sides:
    """What is what in a batch, of (texts, dimension) embeddings and (n, 4) labels."""
    index, kind, group = labels[:, :3].long().T

    def of(one: int) -> tuple[Tensor, Tensor]:
        return vectors[index[kind == one]], group[kind == one]

    weights = labels[:, 3][kind == ANCHOR].to(vectors.dtype)
    apart = Apart(*of(APART)), Apart(*of(APART_FROM_POSITIVE))
    return Sides(Side(*of(ANCHOR)), Side(*of(POSITIVE)), Side(*of(NEGATIVE)), apart, weights)


class Scores(NamedTuple):
    """Of each pair of this rank its own score, (batch,), and blocks of those that it stands against, (batch, some)."""

    own: Tensor
    against: list[Tensor]


def logits(batch: Sides, scoring: Scoring, dimension: int | None = None) -> Scores:
    """The scores of a batch; `dimension`: by that many leading dimensions alone.

    What a pair does not stand against scores `_NEVER`, which no sum notices.
    """
    a, p, n = (_unit(side.vectors, dimension) for side in batch[:3])
    groups, temperature = batch.anchors.groups, scoring.temperature
    every_a, every_p = _gathered(a), _gathered(p)  # (ranks * batch, dimension)
    every_n, n_groups = _gathered_ragged(n, batch.negatives.groups)
    same = groups[:, None] == _gathered(groups)  # (batch, ranks * batch)

    def scores(of: Tensor, others: Tensor, forbidden: Tensor) -> Tensor:
        return (of / temperature @ others.T).masked_fill(forbidden, _NEVER)

    against = [scores(a, every_p, same)]
    against.append(against[0].T if get_world_size() == 1 else scores(p, every_a, same))
    if scoring.same_side:
        against += [scores(a, every_a, same), scores(p, every_p, same)]
    if len(every_n):
        against.append(scores(a, every_n, (groups[:, None] == n_groups) | (n_groups == _NOBODY)))
    rows = torch.arange(len(a), device=a.device)[:, None]
    for side, apart in zip((a, p), batch.apart, strict=True):
        if len(apart.rows):
            against.append(scores(side, _unit(apart.vectors, dimension), rows != apart.rows))
    return Scores((a * p).sum(dim=-1) / temperature, against)


def ranking_losses(scores: Scores) -> Tensor:
    """The loss of each pair, (batch,)."""
    sums = [scores.own, *(block.logsumexp(dim=1) for block in scores.against)]
    return torch.stack(sums).logsumexp(dim=0) - scores.own


def batch_figures(scores: Scores) -> dict[str, float]:
    """Precision@1 and MRR of the batch: of each pair among all that it stands against."""
    own = scores.own[:, None]
    place = 1.0 + torch.stack([(block > own).sum(dim=1) for block in scores.against]).sum(dim=0)
    return {"batch_precision@1": float((place == 1).float().mean()), "batch_mrr": float((1 / place).mean())}


def _unit(vectors: Tensor, dimension: int | None) -> Tensor:
    return normalize(vectors[:, :dimension].float(), dim=-1)


def _gathered(tensor: Tensor) -> Tensor:
    """The tensors of all ranks, one under the other; they are of one shape."""
    if get_world_size() == 1:
        return tensor
    gathered: Tensor = all_gather_with_grad(tensor) if tensor.requires_grad else all_gather(tensor.contiguous())
    return gathered


def _gathered_ragged(vectors: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors and groups of all ranks, where every rank has its own number of them."""
    if get_world_size() == 1:
        return vectors, groups
    most = int(_gathered(torch.tensor([len(groups)], device=groups.device)).max())
    if most == 0:
        return vectors, groups
    short = most - len(groups)
    filled = pad(vectors, (0, 0, 0, short))
    return _gathered(filled), _gathered(pad(groups, (0, short), value=_NOBODY))
