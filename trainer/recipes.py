"""Recipes: named ways to train. A recipe is data; `fit` reads it and the command line overrides single fields."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.errors import InputError

BATCH_SIZES = (128, 64, 32, 16)
BATCHES = 16  # in an epoch, at least
EPOCHS = (2, 8)
STEPS = 60  # in all, unless that takes too many epochs


class Plan(NamedTuple):
    """How long to train, for a given number of pairs."""

    batch_size: int
    epochs: float
    steps: int


@dataclass(frozen=True)
class Recipe:
    """How to train. Chosen by a split of the cloud FAQ and on the sample FAQ; docs/log.md holds the figures."""

    name: str
    epochs: float | None = None  # None: by size, see `planned`
    batch_size: int | None = None  # pairs; every other pair of the batch is a negative. None: by size
    learning_rate: float = 1e-4
    temperature: float = 1 / 20
    warmup: float = 0.1  # of all steps
    weight_decay: float = 0.01
    seed: int = 0
    bf16: bool = True  # autocast; the weights stay float32

    def planned(self, pairs: int) -> Plan:
        """Batch size and epochs for so many pairs: what is given, and by size what is not.

        Batches are as large as leaves 16 of them an epoch. Each pair is seen twice, and up to 8 times where that would
        be less than 60 steps.
        """
        size = self.batch_size or next((one for one in BATCH_SIZES if pairs >= BATCHES * one), BATCH_SIZES[-1])
        steps = math.ceil(pairs / size)  # of an epoch
        low, high = EPOCHS
        epochs = self.epochs if self.epochs is not None else min(high, max(low, math.ceil(STEPS / steps)))
        return Plan(size, epochs, math.ceil(steps * epochs))

    def override(self, **changes: float | int | None) -> "Recipe":
        """The recipe with the fields that are given, None meaning unchanged. Raises InputError for a senseless one."""
        given = {key: value for key, value in changes.items() if value is not None}
        for key, value in given.items():
            if value < 0 or (value == 0 and key not in ("epochs", "seed")):
                raise InputError(f"{key} must be positive, not {value}", key)
        if given.get("batch_size", 2) < 2:
            raise InputError(
                "batch_size must be at least 2: the other pairs of a batch are the negatives", "batch_size"
            )
        return replace(self, **given)  # type: ignore[arg-type]  # the names are Recipe's own


RECIPES = {recipe.name: recipe for recipe in (Recipe("default"),)}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises InputError naming those that exist."""
    if name not in RECIPES:
        raise InputError(f"No recipe is called `{name}`; there is {', '.join(sorted(RECIPES))}.", "recipe")
    return RECIPES[name]
