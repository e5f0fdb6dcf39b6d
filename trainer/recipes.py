"""Recipes: named ways to train. A recipe is data; `fit` reads it and the command line overrides single fields."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from app.errors import InputError

BATCH_SIZES = (128, 64, 32, 16)
BATCHES = 16  # in an epoch, at least
EPOCHS = (2, 8)
STEPS = 60  # in all, unless that takes too many epochs
_MAY_BE_ZERO = ("epochs", "seed", "hard_epochs", "negatives", "patience", "warmup", "weight_decay")


class Plan(NamedTuple):
    """How long to train, for a given number of pairs."""

    batch_size: int
    epochs: float
    steps: int


class Stage(NamedTuple):
    """One of the two trainings that a recipe is made of. `negatives` are mined for each pair before it begins."""

    number: int
    plan: Plan
    learning_rate: float
    temperature: float
    negatives: int


@dataclass(frozen=True)
class Recipe:
    """How to train. Chosen by a split of the cloud FAQ and on the sample FAQ; docs/log.md holds the figures.

    Stage 1 ranks each text against the others of its batch; stage 2 goes on from the best of stage 1 with negatives
    that it mined. Of every epoch of both, the best by the MRR of held-out questions is kept.
    """

    name: str
    epochs: float | None = None  # of stage 1. None: by size, see `planned`
    batch_size: int | None = None  # pairs; every other pair of the batch is a negative. None: by size
    learning_rate: float = 1e-4
    temperature: float = 1 / 20
    warmup: float = 0.1  # of a stage's steps
    weight_decay: float = 0.01
    seed: int = 0
    bf16: bool = True  # autocast; the weights stay float32
    hard_epochs: float = 1  # of stage 2; 0: there is none
    hard_learning_rate: float = 5e-5
    hard_temperature: float = 1 / 20
    negatives: int = 2  # mined for each pair in stage 2
    margin: float = 0.95  # a negative is at most that share as similar to the anchor as the positive is
    patience: int = 2  # epochs without a better one that end a stage; 0: never
    lora_rank: int | None = None  # train adapters of that rank only; they are merged before the export
    dimensions: tuple[int, ...] = ()  # Matryoshka: leading dimensions that are to rank well alone
    dimension: int | None = None  # export that many leading dimensions alone. None: all
    gradient_checkpointing: bool = False  # a third more work for a fraction of the memory

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `dataclasses.asdict` and JSON made these values of; fields that came later have defaults."""
        known = {field.name for field in fields(cls)}
        given = {key: value for key, value in values.items() if key in known}
        return cls(**{**given, "dimensions": tuple(given.get("dimensions", ()))})

    def planned(self, pairs: int) -> Plan:
        """Batch size and epochs of stage 1 for so many pairs: what is given, and by size what is not.

        Batches are as large as leaves 16 of them an epoch. Each pair is seen twice, and up to 8 times where that would
        be less than 60 steps.
        """
        size = self.batch_size or next((one for one in BATCH_SIZES if pairs >= BATCHES * one), BATCH_SIZES[-1])
        steps = math.ceil(pairs / size)  # of an epoch
        low, high = EPOCHS
        epochs = self.epochs if self.epochs is not None else min(high, max(low, math.ceil(STEPS / steps)))
        return Plan(size, epochs, math.ceil(steps * epochs))

    def stages(self, pairs: int) -> list[Stage]:
        """What is trained one after the other on so many pairs."""
        plan = self.planned(pairs)
        first = Stage(1, plan, self.learning_rate, self.temperature, 0)
        if self.hard_epochs == 0:
            return [first]
        hard = Plan(plan.batch_size, self.hard_epochs, math.ceil(math.ceil(pairs / plan.batch_size) * self.hard_epochs))
        return [first, Stage(2, hard, self.hard_learning_rate, self.hard_temperature, self.negatives)]

    def override(self, **changes: float | int | bool | tuple[int, ...] | None) -> "Recipe":
        """The recipe with the fields that are given, None meaning unchanged. Raises InputError for a senseless one."""
        given = {key: value for key, value in changes.items() if value is not None}
        for key, value in given.items():
            lowest = min(value, default=1) if isinstance(value, tuple) else value
            if lowest < 0 or (lowest == 0 and value is not False and key not in _MAY_BE_ZERO):
                raise InputError(f"{key} must be positive, not {value}", key)
        if given.get("batch_size") == 1:
            raise InputError(
                "batch_size must be at least 2: the other pairs of a batch are the negatives", "batch_size"
            )
        return replace(self, **given)  # type: ignore[arg-type]  # the names are Recipe's own


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("default"),
        Recipe("quick", hard_epochs=0),
        Recipe("lora", lora_rank=32, learning_rate=1e-3),
        Recipe("genq", epochs=1, hard_epochs=0),
        Recipe("generator", epochs=3, batch_size=32, learning_rate=3e-4, hard_epochs=0),
    )
}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises InputError naming those that exist."""
    if name not in RECIPES:
        raise InputError(f"No recipe is called `{name}`; there is {', '.join(sorted(RECIPES))}.", "recipe")
    return RECIPES[name]


def dimensions_of(text: str) -> tuple[int, ...]:
    """Dimensions as they are written on the command line, `256,128`. Raises InputError for anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"Dimensions are whole numbers with commas between them, not `{text}`.", "dimensions"
        ) from None
