import json
from dataclasses import asdict

import pytest

from app.errors import InputError
from trainer.recipes import Recipe, recipe_named


@pytest.mark.parametrize(
    ("pairs", "entries", "batch_size", "epochs"),
    [(48, 20, 16, 8), (1280, 1280, 64, 3), (4301, 4300, 128, 2), (1_000_000, 100_000, 128, 2), (4800, 150, 128, 5)],
)
def test_batches_and_epochs_follow_the_size(pairs: int, entries: int, batch_size: int, epochs: float) -> None:
    plan = recipe_named("default").planned(pairs, entries)
    assert (plan.batch_size, plan.epochs) == (batch_size, epochs)


def test_what_is_given_is_kept() -> None:
    recipe = recipe_named("default").override(epochs=5, batch_size=8, learning_rate=None)
    assert recipe.planned(100, 100) == (8, 5, 65)
    assert recipe.learning_rate == recipe_named("default").learning_rate


@pytest.mark.parametrize("change", [{"epochs": -1}, {"batch_size": 1}, {"learning_rate": 0}])
def test_the_senseless_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        recipe_named("default").override(**change)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="default"):
        recipe_named("best")


def test_stages_and_what_a_run_remembers_of_a_recipe() -> None:
    recipe = recipe_named("default").override(dimensions=(128, 64), hard_epochs=2.0)
    assert [stage.number for stage in recipe.stages(1000, 1000)] == [1, 2]
    assert recipe.stages(1000, 1000)[0].negatives == 0
    assert recipe.override(hard_epochs=0).stages(1000, 1000)[1:] == []
    assert Recipe.of(json.loads(json.dumps(asdict(recipe)))) == recipe
    assert Recipe.of({"name": "default", "epochs": 2, "no longer known": 1}).epochs == 2
