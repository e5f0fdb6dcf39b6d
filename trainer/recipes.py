"""Recipes: named ways to train. A recipe is data; `fit` reads it and the command line overrides single fields."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from app.errors import InputError

BATCH_SIZES = (128, 64, 32, 16)
BATCHES = 16  # in an epoch, at least
EPOCHS = (2, 8)
RICH, RICH_EPOCHS = 16, 5  # pairs an entry from which two epochs teach too little; and how many teach enough
LARGE = 1000  # entries; below, stage 2 gains nothing on real questions: see docs/log.md
STEPS = 60  # in all, unless that takes too many epochs
_MAY_BE_ZERO = ("epochs", "seed", "hard_epochs", "hard_from", "negatives", "patience", "warmup", "weight_decay")

Shape = Literal["faq", "labelled", "pairs"]  # what a data file holds; see trainer.data.reading
Part = Literal["model", "head", "towers"]  # all of the model; a head on the frozen model; two models, one a side
Loss = Literal["ranking", "hard-triplets", "semi-hard-triplets"]


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

    A way to train is four choices: what data it reads, which part of the model it trains, by which loss, in one stage
    or two. Stage 1 ranks each text against the others of its batch; stage 2 goes on from the best of stage 1 with
    negatives that it mined. Of every epoch of both, the best by the MRR of held-out questions (`chosen_by`) is kept.
    """

    name: str
    reads: tuple[Shape, ...] = ("faq", "labelled")
    trains: Part = "model"
    loss: Loss = "ranking"
    same_side: bool = True  # ranking: questions rank against questions too, and answers against answers
    echo: bool = False  # ranking: a question's own text, read as an answer, is a negative of it
    triplet_margin: float = 0.2  # triplets: how much farther the other group's text is to be, in cosine
    measure_every: int = 1  # epochs
    chosen_by: tuple[str, ...] = ("mrr",)  # the epoch with the best mean of these held-out figures is kept
    epochs: float | None = None  # of stage 1. None: by size, see `planned`
    batch_size: int | None = None  # pairs (triplets: texts); the others of the batch are negatives. None: by size
    learning_rate: float = 1e-4
    temperature: float = 1 / 20
    warmup: float = 0.1  # of a stage's steps
    weight_decay: float = 0.01
    seed: int = 0
    bf16: bool = True  # autocast; the weights stay float32
    hard_epochs: float = 1  # of stage 2; 0: there is none
    hard_from: int = 0  # entries from which there is a stage 2
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
        given: dict[str, Any] = {key: value for key, value in values.items() if key in known}
        lists: dict[str, Any] = {key: tuple(value) for key, value in given.items() if isinstance(value, list)}
        return cls(**{**given, **lists})

    def planned(self, pairs: int, entries: int) -> Plan:
        """Batch size and epochs of stage 1 for so many pairs (triplets: texts): what is given, and by size what is not.

        Batches are as large as leaves 16 of them an epoch. Each pair is seen twice, five times where entries have many,
        and up to 8 times where that would be less than 60 steps.
        """
        size = self.batch_size or next((one for one in BATCH_SIZES if pairs >= BATCHES * one), BATCH_SIZES[-1])
        steps = math.ceil(pairs / size)  # of an epoch
        low, high = EPOCHS if pairs < RICH * entries else (RICH_EPOCHS, EPOCHS[1])
        epochs = self.epochs if self.epochs is not None else min(high, max(low, math.ceil(STEPS / steps)))
        return Plan(size, epochs, math.ceil(steps * epochs))

    def stages(self, pairs: int, entries: int) -> list[Stage]:
        """What is trained one after the other on so many pairs of so many entries."""
        plan = self.planned(pairs, entries)
        first = Stage(1, plan, self.learning_rate, self.temperature, 0)
        if self.hard_epochs == 0 or entries < self.hard_from:
            return [first]
        hard = Plan(plan.batch_size, self.hard_epochs, math.ceil(math.ceil(pairs / plan.batch_size) * self.hard_epochs))
        return [first, Stage(2, hard, self.hard_learning_rate, self.hard_temperature, self.negatives)]

    def override(self, **changes: float | int | bool | str | tuple[int, ...] | None) -> "Recipe":
        """The recipe with the fields that are given, None meaning unchanged. Raises InputError for a senseless one."""
        given = {key: value for key, value in changes.items() if value is not None}
        for key, value in given.items():
            if isinstance(value, str):
                continue  # checked below
            lowest = min(value, default=1) if isinstance(value, tuple) else value
            if lowest < 0 or (lowest == 0 and value is not False and key not in _MAY_BE_ZERO):
                raise InputError(f"{key} must be positive, not {value}", key)
        if given.get("batch_size") == 1:
            raise InputError(
                "batch_size must be at least 2: the other pairs of a batch are the negatives", "batch_size"
            )
        if given.get("hard_epochs"):
            given["hard_from"] = 0  # asked for by name
        return replace(self, **given)._possible()  # type: ignore[arg-type]  # the names are Recipe's own

    def _possible(self) -> "Recipe":
        """Itself. Raises InputError for choices that there are not, or that do not go together."""
        if self.loss not in get_args(Loss):
            raise InputError(f"loss is one of {', '.join(get_args(Loss))}, not {self.loss}", "loss")
        if self.loss != "ranking" and self.batch_size is not None and (self.batch_size < 4 or self.batch_size % 2):
            raise InputError("batch_size must be even and at least 4 for triplets: groups give two texts", "batch_size")
        if self.hard_epochs and (self.trains == "towers" or self.loss != "ranking"):
            raise InputError(
                f"hard_epochs must be 0 for {self.name}: one encoder mines negatives, for a ranking", "hard_epochs"
            )
        for key in ("lora_rank", "dimension"):
            if self.trains != "model" and getattr(self, key) is not None:
                raise InputError(f"{key} is not for {self.name}, which trains its {self.trains} alone", key)
        return self


_ALL = (
    Recipe("default", hard_from=LARGE),
    Recipe("quick", hard_epochs=0),
    Recipe("lora", hard_from=LARGE, lora_rank=32, learning_rate=1e-3),
    Recipe(
        "frozen-head",
        trains="head",
        same_side=False,
        epochs=500,
        batch_size=1024,
        learning_rate=2e-4,
        weight_decay=0.0,
        hard_epochs=0,
        measure_every=10,
        patience=0,
    ),
    Recipe(
        "dual",
        trains="towers",
        echo=True,
        chosen_by=(
            "mrr",
            "outranks_echo",
        ),  # by the first alone it would be the beginning, before any echo is unlearned
        epochs=4,
        hard_epochs=0,
        patience=0,
    ),
    Recipe("groups", reads=("labelled",), loss="semi-hard-triplets", learning_rate=5e-5, hard_epochs=0),
    Recipe("pairs", reads=("pairs",), hard_epochs=0),
    Recipe("genq", epochs=1, hard_epochs=0),
)
RECIPES = {recipe.name: recipe for recipe in _ALL}


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
