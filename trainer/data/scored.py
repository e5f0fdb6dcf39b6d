"""Scored pairs to train on: what belongs together and how much it counts, and what is to be kept apart."""

from collections.abc import Sequence
from dataclasses import replace

from app.errors import InputError
from app.knowledge.entry import Entry
from app.text.markup import plain_text
from app.text.normalize import normalize
from trainer.data.queries import Query, ScoredPair
from trainer.data.training_set import Pair, TrainingSet, separated, training_set, united


def scored_set(
    entries: Sequence[Entry], pairs: Sequence[ScoredPair], queries: Sequence[Query] = (), seed: int = 0
) -> TrainingSet:
    """Split as `training_set` does, and train on the scored pairs alone, each weighing what its score says.

    Subgroups are the groups; those that share a text of a pair that belongs together are one. Raises InputError where
    there is nothing to tell apart.
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
            "All pairs are of one `subgroup` and none has `score` 0: there is nothing to tell apart. "
            "Give each question a subgroup of its own, or name pairs that do not belong together.",
            "data",
        )
    return training
