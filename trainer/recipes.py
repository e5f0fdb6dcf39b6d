"""Recipes: named ways to train. A recipe is data: `fit` reads it, and the command line overrides single fields.

Each kind of training has its own type, with the fields that it uses. The values were chosen on a split of the cloud FAQ
and on the sample FAQ; docs/log.md holds the figures.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from app.errors import InputError

BATCH_SIZES = (128, 64, 32, 16)
BATCHES = 16  # the fewest in an epoch
EPOCHS = (2, 8)
RICH, RICH_EPOCHS = 16, 5  # entries with that many pairs or more need five epochs instead of two
LARGE = 1000  # entries; below that number, stage 2 gains nothing on real questions: see docs/log.md
STEPS = 60  # the fewest in all, unless that takes more than the most epochs
_MAY_BE_ZERO = ("epochs", "seed", "hard_epochs", "hard_from", "negatives", "patience", "warmup", "weight_decay")
_FORMER_NAMES = {"trains": "trainable", "reads": "data_format"}  # in the config.json of earlier runs

DataFormat = Literal["faq", "labelled", "pairs"]  # of a data file; see trainer.data.reading
Trainable = Literal["model", "head", "towers"]  # the whole model; a head on a frozen model; two models
TripletKind = Literal["hard-triplets", "semi-hard-triplets"]


class Plan(NamedTuple):
    """How long to train, for a given number of pairs."""

    batch_size: int
    epochs: float
    steps: int


class Stage(NamedTuple):
    """One training of a recipe. `negatives` are mined for each pair before it begins."""

    number: int
    plan: Plan
    learning_rate: float
    negatives: int = 0


@dataclass(frozen=True)
class Recipe:
    """What all recipes share. The base of one type for each kind of training."""

    name: str
    trainable: Trainable = field(default="model", init=False)
    data_format: tuple[DataFormat, ...] = ("faq", "labelled")
    measure_every: int = 1  # epochs between two measurements
    chosen_by: tuple[str, ...] = ("mrr",)  # the epoch with the best mean of these held-out figures is kept
    epochs: float | None = None  # of stage 1. None: by size, see `planned`
    batch_size: int | None = None  # pairs (triplets: texts). None: by size, see `planned`
    learning_rate: float = 1e-4
    warmup: float = 0.1  # share of a stage's steps
    weight_decay: float = 0.01
    seed: int = 0
    bf16: bool = True  # autocast; the weights stay float32
    patience: int = 2  # a stage ends after that many epochs without a better one. 0: never
    margin: float = 0.95  # a mined negative is at most that times as similar to the anchor as the positive is
    gradient_checkpointing: bool = False  # a third more work for a fraction of the memory

    @staticmethod
    def of(values: Mapping[str, Any]) -> "Recipe":
        """The recipe in the config.json of a run, also of a run from before each kind of training had its own type.

        Unknown fields are ignored; missing ones take their default. Raises InputError for a kind that is unknown.
        """
        values = {_FORMER_NAMES.get(key, key): value for key, value in values.items()}
        trainable, loss = values.get("trainable", "model"), values.get("loss", "ranking")
        kind = _KINDS.get((trainable, loss != "ranking"))
        if kind is None:
            raise InputError(
                f"The recipe {values.get('name')} trains `{trainable}` by the loss `{loss}`. This version cannot "
                "resume such a run. Start a new one.",
                "resume",
            )
        given: dict[str, Any] = {key: value for key, value in values.items() if key in kind.options()}
        given |= {key: tuple(value) for key, value in given.items() if isinstance(value, list)}
        return kind(**given)

    @classmethod
    def options(cls) -> list[str]:
        """The names of the fields that can be given."""
        return [field.name for field in fields(cls) if field.init]

    def planned(self, pairs: int, entries: int) -> Plan:
        """The batch size and epochs of stage 1 for so many pairs (triplets: texts), where the recipe leaves them open.

        The batch size is the largest with at least 16 batches an epoch. Each pair is seen twice, five times where
        entries have many pairs, and up to 8 times where that would be less than 60 steps.
        """
        size = self.batch_size or next((size for size in BATCH_SIZES if pairs >= BATCHES * size), BATCH_SIZES[-1])
        steps = math.ceil(pairs / size)  # of an epoch
        low, high = EPOCHS if pairs < RICH * entries else (RICH_EPOCHS, EPOCHS[1])
        epochs = self.epochs if self.epochs is not None else min(high, max(low, math.ceil(STEPS / steps)))
        return Plan(size, epochs, math.ceil(steps * epochs))

    def stages(self, pairs: int, entries: int) -> list[Stage]:
        """The trainings that follow each other, for so many pairs of so many entries."""
        return [Stage(1, self.planned(pairs, entries), self.learning_rate)]

    def override(self, **changes: float | int | bool | str | tuple[int, ...] | None) -> "Recipe":
        """The recipe with the given fields changed; None leaves a field as it is.

        Raises InputError for an option that the recipe does not have, and for a value that makes no sense.
        """
        given = {key: value for key, value in changes.items() if value is not None}
        for key, value in given.items():
            if key not in self.options():
                others = ", ".join(name for name, recipe in RECIPES.items() if key in recipe.options())
                raise InputError(f"The recipe {self.name} has no option {key}. Recipes that have it: {others}.", key)
            if isinstance(value, str):
                continue  # checked below
            lowest = min(value, default=1) if isinstance(value, tuple) else value
            if lowest < 0 or (lowest == 0 and value is not False and key not in _MAY_BE_ZERO):
                raise InputError(f"{key} must be positive, not {value}", key)
        if given.get("hard_epochs"):
            given["hard_from"] = 0  # stage 2 is asked for, so the number of entries does not matter
        changed = replace(self, **given)  # type: ignore[arg-type]  # the names are options of the type
        changed.check()
        return changed

    def check(self) -> None:
        """Raises InputError for values that do not go together."""
        if self.batch_size == 1:
            raise InputError(
                "batch_size must be at least 2: the other pairs of a batch are the negatives", "batch_size"
            )


@dataclass(frozen=True)
class ContrastiveRecipe(Recipe):
    """Ranks each text of a pair against the other texts of the batch."""

    same_side: ClassVar[bool] = True  # questions are ranked against questions too, and answers against answers
    echo: ClassVar[bool] = False  # the text of a question, read as an answer, is a negative of that question
    temperature: float = 1 / 20
    dimensions: tuple[int, ...] = ()  # Matryoshka: leading dimensions that must rank well on their own

    def temperature_of(self, stage: Stage) -> float:
        """The temperature of a stage."""
        return self.temperature


@dataclass(frozen=True)
class FineTuningRecipe(Recipe):
    """Trains all weights of one model, or adapters of it."""

    lora_rank: int | None = None  # train only adapters of that rank; they are merged before the export
    dimension: int | None = None  # export only that many leading dimensions. None: all


@dataclass(frozen=True)
class RankingRecipe(ContrastiveRecipe, FineTuningRecipe):
    """Fine-tunes the model in two stages. Stage 2 continues from the best epoch of stage 1, with mined negatives."""

    hard_epochs: float = 1  # of stage 2. 0: no stage 2
    hard_from: int = 0  # the fewest entries that stage 2 is trained for
    hard_learning_rate: float = 5e-5
    hard_temperature: float = 1 / 20
    negatives: int = 2  # mined for each pair in stage 2

    def stages(self, pairs: int, entries: int) -> list[Stage]:
        """Stage 1, and stage 2 unless it has no epochs or there are too few entries for it."""
        stages = super().stages(pairs, entries)
        if self.hard_epochs and entries >= self.hard_from:
            size = stages[0].plan.batch_size
            plan = Plan(size, self.hard_epochs, math.ceil(math.ceil(pairs / size) * self.hard_epochs))
            stages.append(Stage(2, plan, self.hard_learning_rate, self.negatives))
        return stages

    def temperature_of(self, stage: Stage) -> float:
        """The temperature of stage 1 or of stage 2."""
        return self.temperature if stage.number == 1 else self.hard_temperature


@dataclass(frozen=True)
class FrozenHeadRecipe(ContrastiveRecipe):
    """Trains a head on the frozen model."""

    same_side: ClassVar[bool] = False
    trainable: Trainable = field(default="head", init=False)


@dataclass(frozen=True)
class TwoTowerRecipe(ContrastiveRecipe):
    """Trains two models, one for questions and one for answers."""

    echo: ClassVar[bool] = True
    trainable: Trainable = field(default="towers", init=False)


@dataclass(frozen=True)
class TripletRecipe(FineTuningRecipe):
    """Fine-tunes the model so that texts of one group lie nearer to each other than to texts of other groups."""

    loss: TripletKind = "semi-hard-triplets"
    triplet_margin: float = 0.2  # in cosine: how much farther a text of another group must be

    def check(self) -> None:
        """Raises InputError for an unknown loss, and for a batch size that groups of two cannot fill."""
        if self.loss not in get_args(TripletKind):
            raise InputError(f"loss must be one of {', '.join(get_args(TripletKind))}, not {self.loss}", "loss")
        if self.batch_size is not None and (self.batch_size < 4 or self.batch_size % 2):
            raise InputError("batch_size must be even and at least 4 for triplets: groups give two texts", "batch_size")


_KINDS: dict[tuple[str, bool], type[Recipe]] = {  # by what is trained, and whether by triplets
    ("model", False): RankingRecipe,
    ("model", True): TripletRecipe,
    ("head", False): FrozenHeadRecipe,
    ("towers", False): TwoTowerRecipe,
}
_ALL: tuple[Recipe, ...] = (
    RankingRecipe("default", hard_from=LARGE),
    RankingRecipe("quick", hard_epochs=0),
    RankingRecipe("lora", hard_from=LARGE, lora_rank=32, learning_rate=1e-3),
    FrozenHeadRecipe(
        "frozen-head",
        epochs=500,
        batch_size=1024,
        learning_rate=2e-4,
        weight_decay=0.0,
        measure_every=10,
        patience=0,
    ),
    # By MRR alone the beginning would be chosen: the first epochs lose rank, until the echo is unlearned.
    TwoTowerRecipe("dual", chosen_by=("mrr", "outranks_echo"), epochs=4, patience=0),
    TripletRecipe("groups", data_format=("labelled",), learning_rate=5e-5),
    RankingRecipe("pairs", data_format=("pairs",), hard_epochs=0),
    RankingRecipe("genq", epochs=1, hard_epochs=0),
)
RECIPES = {recipe.name: recipe for recipe in _ALL}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises InputError naming those that exist."""
    if name not in RECIPES:
        raise InputError(f"No recipe is called `{name}`. The recipes are {', '.join(sorted(RECIPES))}.", "recipe")
    return RECIPES[name]
