"""Triplets of labelled texts: a text of the same group must be nearer than a text of another group, by a margin.

The losses are sentence-transformers'; `TripletLoss` only adds batches in blocks. One compares, for each text, the
farthest text of its group with the nearest text of another ("In Defense of the Triplet Loss for Person
Re-Identification"; Hermans et al. 2017, arXiv 1703.07737). The other compares each pair of a group with the nearest
text of another group that is farther away ("FaceNet"; Schroff et al. 2015, arXiv 1503.03832, semi-hard).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import BatchHardTripletLoss, BatchSemiHardTripletLoss
from sentence_transformers.sentence_transformer.losses.batch_hard_triplet import BatchHardTripletLossDistanceFunction
from torch import Tensor, nn

from trainer.data.training_set import Pair
from trainer.recipes import TripletKind
from trainer.training.blocks import BatchLoss

LOSSES = {"hard-triplets": BatchHardTripletLoss, "semi-hard-triplets": BatchSemiHardTripletLoss}
EACH = 2  # texts that a group gives to a batch at a time


class TripletLoss(BatchLoss):
    """One of `LOSSES`, by cosine distance, of a batch in blocks. The labels are the groups of the texts, (texts,)."""

    def __init__(self, model: nn.Module, kind: TripletKind, margin: float) -> None:
        super().__init__(model)
        self.loss: Any = LOSSES[kind](
            cast(SentenceTransformer, model),
            distance_metric=BatchHardTripletLossDistanceFunction.cosine_distance,
            margin=margin,
        )

    def forward(self, features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The mean loss over the batch's triplets, a scalar."""
        value: Tensor = self.loss.compute_loss_from_embeddings([self.embed(features)], labels)
        return value

    def get_config_dict(self) -> dict[str, Any]:
        """The settings that sentence-transformers writes into a model card."""
        config: dict[str, Any] = self.loss.get_config_dict()
        return config


def grouped_texts(pairs: Iterable[Pair]) -> dict[str, int]:
    """The distinct texts of the pairs, with their groups."""
    return {text: pair.group for pair in pairs for text in pair[:2]}


def rows(groups: Sequence[int]) -> int:
    """The number of texts that an epoch of sentence-transformers' GroupByLabelBatchSampler uses.

    Groups give two texts in turn, and the sampler ends when only one group has texts left.
    """
    turns = sorted((count // EACH for count in Counter(groups).values() if count >= EACH), reverse=True)
    return EACH * sum(min(turn, turns[1]) for turn in turns) if len(turns) > 1 else 0
