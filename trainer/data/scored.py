"""Training sets of scored pairs: weighted pairs that belong together, and known negatives."""

from collections.abc import Sequence
from dataclasses import replace

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.text.markup import plain_text
from app.text.normalize import normalize
from trainer.data.queries import ScoredPair
from trainer.data.training_set import Pair, TrainingSet, separated, training_set, united


def scored_set(
    entries: Sequence[Entry], pairs: Sequence[ScoredPair], queries: Sequence[Query] = (), seed: int = 0
) -> TrainingSet:
    """The split of `training_set`, with only the scored pairs to train on. The score of a pair is its weight.

    Subgroups are the groups. Subgroups that share a text of a pair that belongs together are merged. Raises InputError
    if no text is a negative of any other.
    """
    pairs = [replace(pair, b=plain_text(pair.b)) for pair in pairs]
    split = training_set(entries, queries, seed)
    split_pairs = {pair[:2] for pair in split.pairs}
    positives = [pair for pair in pairs if pair.score]
    groups = united([[f"\x1f{pair.subgroup}", normalize(pair.a), normalize(pair.b)] for pair in positives])
    trained = [
        Pair(pair.a, pair.b, group, pair.score)
        for pair, group in zip(positives, groups, strict=True)
        if (pair.a, pair.b) in split_pairs
    ]
    training = separated(trained, split.heldout, [(pair.a, pair.b) for pair in pairs if not pair.score])
    if not training.known_negatives and len(set(groups)) < 2:
        raise InputError(
            "All pairs have one `subgroup` and none has `score` 0, so that no text is a negative of any other. "
            "Give each question a subgroup of its own, or add pairs with `score` 0.",
            "data",
        )
    return training
