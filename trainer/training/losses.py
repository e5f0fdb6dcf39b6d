"""The loss: in-batch ranking in four directions, blind to texts of the same entry.

For a question q, its answer a, and the other pairs (q', a') of the batch, as in "Towards General Text Embeddings with
Multi-stage Contrastive Learning" (GTE; Li et al. 2023, arXiv 2308.03281, "improved contrastive loss"):

    loss = -log( e(q, a) / (e(q, a) + sum e(q, a') + e(q', a) + e(q, q') + e(a, a')) ),   e = exp(cosine / temperature)

One difference, and the reason why sentence-transformers' MultipleNegativesRankingLoss is not used with all four of its
directions: there the sums run over the rest of the batch, here over the pairs of *other entries*. A FAQ has several
phrasings of one question, and a second phrasing in the denominator would be pushed away from the answer it belongs to.

Mined negatives n add e(q, n) for each q and every n of another entry, whichever pair n was mined for. Under torchrun
the sums run over the batches of all ranks, each rank answering for the rows of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.util.distributed import all_gather, all_gather_with_grad, get_world_size
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

ANCHOR, POSITIVE, NEGATIVE = 0, 1, 2  # what a text is in a batch
_NOBODY = -1  # the group of what fills up a rank's negatives: nobody's negative


class Side(NamedTuple):
    """Texts of one kind: their embeddings (n, dimension) and the groups of their entries (n,)."""

    vectors: Tensor
    groups: Tensor


class EntryRankingLoss(CachedLossMixin, nn.Module):
    """Features are blocks of padded texts, each text once; labels, (n, 3), say what they are.

    A label is (which text, ANCHOR | POSITIVE | NEGATIVE, group). Anchors and positives are given in the same order.

    `dimensions`: the loss is the mean over the whole vector and these leading parts of it (Matryoshka representation
    learning; Kusupati et al. 2022, arXiv 2205.13147). `cached`: the batch is embedded block by block twice, so that the
    activations of one block alone are held (GradCache; Gao et al. 2021, arXiv 2101.06983); the loss stays the same.
    """

    def __init__(
        self, model: nn.Module, temperature: float, dimensions: Sequence[int] = (), cached: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.dimensions = tuple(dimensions)
        self.uses_gradient_cache = cached
        self.mini_batch_size = 2**31  # a block of features is a mini-batch already

    def forward(self, features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The mean loss over the batch's pairs, a scalar."""
        if self.uses_gradient_cache:
            cached: Tensor = self.forward_cached(features, labels)
            return cached
        return self.calculate_loss([[self.model(block)["sentence_embedding"]] for block in features], labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The mean loss, of embeddings block by block; backwards as far as these, where the mixin asks for it."""
        assert labels is not None  # noqa: S101  # the mixin's signature
        anchors, positives, negatives = sides(torch.cat([rep.float() for block in reps for rep in block]), labels)
        losses = [
            ranking_losses(anchors, positives, negatives, self.temperature, dimension).mean()
            for dimension in (None, *self.dimensions)
        ]
        loss = torch.stack(losses).mean()
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            loss = loss.detach()
        return loss

    def get_config_dict(self) -> dict[str, Any]:
        """What sentence-transformers writes into the model card."""
        return {"temperature": self.temperature, "dimensions": self.dimensions, "cached": self.uses_gradient_cache}


def sides(vectors: Tensor, labels: Tensor) -> tuple[Side, Side, Side]:
    """Anchors, positives and negatives, of (texts, dimension) embeddings and (n, 3) labels."""
    index, kind, group = labels.T
    a, p, n = ((index[kind == one], group[kind == one]) for one in (ANCHOR, POSITIVE, NEGATIVE))
    return Side(vectors[a[0]], a[1]), Side(vectors[p[0]], p[1]), Side(vectors[n[0]], n[1])


def ranking_losses(
    anchors: Side, positives: Side, negatives: Side, temperature: float, dimension: int | None = None
) -> Tensor:
    """The loss of each pair of this rank, (batch,); `dimension`: by that many leading dimensions alone."""
    a, p, n = (normalize(side.vectors[:, :dimension].float(), dim=-1) for side in (anchors, positives, negatives))
    every_a, every_p = _gathered(a), _gathered(p)  # (ranks * batch, dimension)
    every_n, n_groups = _gathered_ragged(n, negatives.groups)
    apart = anchors.groups[:, None] != _gathered(anchors.groups)  # (batch, ranks * batch)
    against = [(a @ every_p.T, apart), (p @ every_a.T, apart), (a @ every_a.T, apart), (p @ every_p.T, apart)]
    if len(every_n):
        against.append((a @ every_n.T, (anchors.groups[:, None] != n_groups) & (n_groups != _NOBODY)))
    scores = [(a * p).sum(dim=-1, keepdim=True)]  # (batch, 1): the pair itself
    scores += [similarity.masked_fill(~allowed, -torch.inf) for similarity, allowed in against]
    logits = torch.cat(scores, dim=1) / temperature  # (batch, 1 + 4 * ranks * batch + negatives)
    return logits.logsumexp(dim=1) - logits[:, 0]


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
