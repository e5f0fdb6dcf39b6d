"""What a stage learns by: rows, how they come in batches, and the loss of a batch. One function for each kind.

Here a recipe's choices (`trains`, `loss`) become parts of sentence-transformers' trainer; the loop knows no others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler, GroupByLabelBatchSampler

from trainer.data.training_set import TrainingSet
from trainer.recipes import Recipe, Stage
from trainer.training import distributed, triplets
from trainer.training.batches import Batch, LabelCollator, PairCollator, PairTexts, Texts, TokenTexts, VectorTexts
from trainer.training.blocks import BatchLoss, BlockEncoder, BlockHead
from trainer.training.head import Frozen, tail
from trainer.training.losses import EntryRankingLoss, Scoring
from trainer.training.memory import fits
from trainer.training.mining import Negatives
from trainer.training.sampler import EntryBatchSampler
from trainer.training.towers import QUESTION, has_towers
from trainer.training.triplets import TripletLoss


@dataclass(frozen=True)
class Objective:
    """The dataset has a column `row`, and `label`: the group; `loss.figures` are those of the latest batch."""

    dataset: Dataset
    collator: Callable[..., Batch]
    sampler: type[DefaultBatchSampler]
    loss: BatchLoss


def rows(training: TrainingSet, recipe: Recipe) -> int:
    """How many rows an epoch has: pairs, or texts where triplets are made of them."""
    if recipe.loss == "ranking":
        return len(training.pairs)
    return triplets.rows(list(triplets.grouped_texts(training.pairs).values()))


def objective(
    model: BlockEncoder,
    training: TrainingSet,
    recipe: Recipe,
    stage: Stage,
    negatives: Negatives | None,
    bf16: bool,
) -> Objective:
    """The objective of a stage, with the negatives that were mined for it."""
    if recipe.loss != "ranking":
        return _triplets(model, training, recipe)
    candidates, mined = (negatives.candidates, negatives.mined) if negatives else ((), ())
    pair_texts = PairTexts(
        training.pairs, candidates, training.known_negatives, towers=has_towers(model), echo=recipe.echo
    )
    headed = recipe.trains == "head"
    texts: Texts = (
        VectorTexts(Frozen(model, bf16).vectors([text for text, _ in pair_texts.texts]))
        if headed
        else TokenTexts(model, pair_texts.texts)
    )
    collator = PairCollator(pair_texts, texts, mined)
    lengths = collator.lengths()
    each = sum(lengths) / max(1, len(lengths)) * (1 + stage.negatives)  # tokens of a pair, about
    whole = headed or fits(model, each * stage.plan.batch_size / distributed.count(), recipe.gradient_checkpointing)
    scoring = Scoring(stage.temperature, recipe.dimensions, recipe.same_side)
    loss = EntryRankingLoss(BlockHead(*tail(model)) if headed else model, scoring, recompute=not whole)
    return Objective(_dataset([pair.group for pair in training.pairs], lengths), collator, EntryBatchSampler, loss)


def _triplets(model: BlockEncoder, training: TrainingSet, recipe: Recipe) -> Objective:
    grouped = triplets.grouped_texts(training.pairs)
    texts = TokenTexts(model, [(text, QUESTION) for text in grouped])
    lengths = [texts.length(i) for i in range(len(grouped))]
    loss = TripletLoss(model, recipe.loss, recipe.triplet_margin)
    return Objective(_dataset(list(grouped.values()), lengths), LabelCollator(texts), GroupByLabelBatchSampler, loss)


def _dataset(groups: Sequence[int], lengths: Sequence[int]) -> Dataset:
    return Dataset.from_dict({"row": list(range(len(groups))), "length": list(lengths), "label": list(groups)})
