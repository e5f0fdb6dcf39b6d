"""What a stage learns by: its rows, their batches, and the loss of a batch. One function for each kind of recipe.

The losses and samplers of the project exist only where sentence-transformers' own know no groups; see their modules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler, GroupByLabelBatchSampler

from trainer.data.training_set import TrainingSet
from trainer.recipes import ContrastiveRecipe, FrozenHeadRecipe, Recipe, Stage, TripletRecipe
from trainer.training import distributed, triplets
from trainer.training.batches import Batch, LabelCollator, PairCollator, PairTexts, TokenTexts, VectorTexts
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
    """The parts that sentence-transformers' trainer takes.

    The dataset has the columns `row`, `length` (tokens) and `label` (the group). `loss.figures` holds figures of the
    latest batch.
    """

    dataset: Dataset
    collator: Callable[..., Batch]
    sampler: type[DefaultBatchSampler]
    loss: BatchLoss


def rows(training: TrainingSet, recipe: Recipe) -> int:
    """The rows of an epoch: pairs, or texts for triplets."""
    if isinstance(recipe, TripletRecipe):
        return triplets.rows(list(triplets.grouped_texts(training.pairs).values()))
    return len(training.pairs)


def objective(
    model: BlockEncoder,
    training: TrainingSet,
    recipe: Recipe,
    stage: Stage,
    negatives: Negatives | None,
    bf16: bool,
) -> Objective:
    """The objective of a stage, with the negatives mined for it. Raises TypeError for an unknown type of recipe."""
    match recipe:
        case TripletRecipe():
            return _triplets(model, training, recipe)
        case FrozenHeadRecipe():
            return _head(model, training, recipe, stage, bf16)
        case ContrastiveRecipe():
            return _ranking(model, training, recipe, stage, negatives)
    raise TypeError(f"There is no objective for {type(recipe).__name__}.")


def _ranking(
    model: BlockEncoder, training: TrainingSet, recipe: ContrastiveRecipe, stage: Stage, negatives: Negatives | None
) -> Objective:
    candidates, mined = (negatives.candidates, negatives.mined) if negatives else ((), ())
    pair_texts = PairTexts(
        training.pairs, candidates, training.known_negatives, towers=has_towers(model), echo=recipe.echo
    )
    collator = PairCollator(pair_texts, TokenTexts(model, pair_texts.texts), mined)
    lengths = collator.lengths()
    tokens = sum(lengths) / max(1, len(lengths)) * (1 + stage.negatives)  # of a pair, about
    fit = fits(model, tokens * stage.plan.batch_size / distributed.count(), recipe.gradient_checkpointing)
    return _pairs(training, collator, EntryRankingLoss(model, _scoring(recipe, stage), recompute=not fit))


def _head(model: BlockEncoder, training: TrainingSet, recipe: FrozenHeadRecipe, stage: Stage, bf16: bool) -> Objective:
    pair_texts = PairTexts(training.pairs, (), training.known_negatives)
    texts = VectorTexts(Frozen(model, bf16).vectors([text for text, _ in pair_texts.texts]))
    loss = EntryRankingLoss(BlockHead(*tail(model)), _scoring(recipe, stage))
    return _pairs(training, PairCollator(pair_texts, texts), loss)


def _triplets(model: BlockEncoder, training: TrainingSet, recipe: TripletRecipe) -> Objective:
    grouped = triplets.grouped_texts(training.pairs)
    texts = TokenTexts(model, [(text, QUESTION) for text in grouped])
    lengths = [texts.length(i) for i in range(len(grouped))]
    loss = TripletLoss(model, recipe.loss, recipe.triplet_margin)
    return Objective(_dataset(list(grouped.values()), lengths), LabelCollator(texts), GroupByLabelBatchSampler, loss)


def _scoring(recipe: ContrastiveRecipe, stage: Stage) -> Scoring:
    return Scoring(recipe.temperature_of(stage), recipe.dimensions, recipe.same_side)


def _pairs(training: TrainingSet, collator: PairCollator, loss: EntryRankingLoss) -> Objective:
    dataset = _dataset([pair.group for pair in training.pairs], collator.lengths())
    return Objective(dataset, collator, EntryBatchSampler, loss)


def _dataset(groups: Sequence[int], lengths: Sequence[int]) -> Dataset:
    return Dataset.from_dict({"row": list(range(len(groups))), "length": list(lengths), "label": list(groups)})
