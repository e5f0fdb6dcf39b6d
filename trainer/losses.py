"""The loss: in-batch ranking in four directions, blind to texts of the same entry.

For a question q, its answer a, and the other pairs (q', a') of the batch, as in "Towards General Text Embeddings with
Multi-stage Contrastive Learning" (GTE; Li et al. 2023, arXiv 2308.03281, "improved contrastive loss"):

    loss = -log( e(q, a) / (e(q, a) + sum e(q, a') + e(q', a) + e(q, q') + e(a, a')) ),   e = exp(cosine / temperature)

One difference, and the reason why sentence-transformers' MultipleNegativesRankingLoss is not used with all four of its
directions: there the sums run over the rest of the batch, here over the pairs of *other entries*. A FAQ has several
phrasings of one question, and a second phrasing in the denominator would be pushed away from the answer it belongs to.
"""

from collections.abc import Iterable

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor, nn
from torch.nn.functional import normalize


class EntryRankingLoss(nn.Module):
    """Columns anchor, positive and any number of negatives; labels are entry groups.

    `labels` is (batch,), or with negatives (batch, 1 + negatives): the group of each negative follows the pair's own.
    A negative counts against every anchor of the batch but those of its own group.
    """

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The mean loss over the batch's pairs, a scalar."""
        anchors, positives, *negatives = embed_columns(self.model, features)
        groups = labels.reshape(len(anchors), -1)  # (batch, 1 + negatives)
        return ranking_losses(anchors, positives, negatives, groups, self.temperature).mean()

    def get_config_dict(self) -> dict[str, float]:
        """What sentence-transformers writes into the model card."""
        return {"temperature": self.temperature}


def ranking_losses(
    anchors: Tensor, positives: Tensor, negatives: list[Tensor], groups: Tensor, temperature: float
) -> Tensor:
    """The loss of each pair, (batch,), of embeddings (batch, dimension); `groups` is (batch, 1 + negatives)."""
    a, p, *n = (normalize(vectors.float(), dim=-1) for vectors in (anchors, positives, *negatives))
    own = groups[:, :1]  # (batch, 1)
    apart = own != own.T  # (batch, batch)
    against = [(a @ p.T, apart), (p @ a.T, apart), (a @ a.T, apart), (p @ p.T, apart)]
    against += [(a @ one.T, own != column[None, :]) for one, column in zip(n, groups.T[1:], strict=True)]
    scores = [(a * p).sum(dim=-1, keepdim=True)]  # (batch, 1): the pair itself
    scores += [similarity.masked_fill(~allowed, -torch.inf) for similarity, allowed in against]
    logits = torch.cat(scores, dim=1) / temperature  # (batch, 1 + (4 + negatives) * batch)
    return logits.logsumexp(dim=1) - logits[:, 0]
