import json
from dataclasses import asdict

import pytest

from app.errors import InputError
from trainer.recipes import RECIPES, RankingRecipe, Recipe, TripletRecipe, recipe_named


@pytest.mark.parametrize(
    ("pairs", "entries", "batch_size", "epochs"),
    [(48, 20, 16, 8), (1280, 1280, 64, 3), (4301, 4300, 128, 2), (1_000_000, 100_000, 128, 2), (4800, 150, 128, 5)],
)
def test_batches_and_epochs_follow_the_size(pairs: int, entries: int, batch_size: int, epochs: float) -> None:
    plan = recipe_named("default").planned(pairs, entries)
    assert (plan.batch_size, plan.epochs) == (batch_size, epochs)


def test_given_values_replace_those_of_the_recipe_and_its_size() -> None:
    recipe = recipe_named("default").override(epochs=5, batch_size=8, learning_rate=None)
    assert recipe.planned(100, 100) == (8, 5, 65)
    assert recipe.learning_rate == recipe_named("default").learning_rate


@pytest.mark.parametrize("change", [{"epochs": -1}, {"batch_size": 1}, {"learning_rate": 0}])
def test_a_value_that_makes_no_sense_is_refused_by_name(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        recipe_named("default").override(**change)


@pytest.mark.parametrize(
    ("name", "option", "others"),
    [
        ("dual", "hard_epochs", "default, quick, lora, pairs, genq"),
        ("frozen-head", "lora_rank", "default, quick, lora, groups, pairs, genq"),
        ("groups", "temperature", "default, quick, lora, frozen-head, dual, pairs, genq"),
        ("default", "loss", "groups"),
    ],
)
def test_an_option_that_a_recipe_does_not_have_names_the_recipes_that_have_it(
    name: str, option: str, others: str
) -> None:
    with pytest.raises(InputError, match=f"The recipe {name} has no option {option}. Recipes that have it: {others}."):
        recipe_named(name).override(**{option: 1})


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="default"):
        recipe_named("best")


def test_a_ranking_recipe_has_two_stages_unless_the_second_has_no_epochs() -> None:
    recipe = recipe_named("default").override(dimensions=(128, 64), hard_epochs=2.0)
    assert isinstance(recipe, RankingRecipe)
    assert [stage.number for stage in recipe.stages(1000, 1000)] == [1, 2]
    assert recipe.stages(1000, 1000)[0].negatives == 0
    assert recipe.override(hard_epochs=0).stages(1000, 1000)[1:] == []
    assert Recipe.of({"name": "default", "epochs": 2, "no longer known": 1}).epochs == 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_remembers_its_recipe(name: str) -> None:
    recipe = RECIPES[name].override(epochs=3.0)
    assert Recipe.of(json.loads(json.dumps(asdict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ({"trains": "model", "loss": "ranking", "reads": ["faq", "labelled"]}, "default"),
        ({"trains": "towers", "loss": "ranking", "echo": True, "hard_epochs": 0}, "dual"),
        ({"trains": "head", "loss": "ranking", "same_side": False, "hard_epochs": 0, "lora_rank": None}, "frozen-head"),
        ({"trains": "model", "loss": "semi-hard-triplets", "reads": ["labelled"], "temperature": 0.05}, "groups"),
    ],
)
def test_a_run_from_before_each_kind_had_its_own_type_can_be_resumed(former: dict[str, object], name: str) -> None:
    shared = {key: value for key, value in asdict(RECIPES[name]).items() if key not in ("trainable", "data_format")}
    assert Recipe.of({**shared, **former}) == RECIPES[name]


def test_a_former_run_of_one_recipe_with_the_loss_of_another_keeps_that_loss() -> None:
    recipe = Recipe.of({"name": "quick", "trains": "model", "loss": "hard-triplets", "reads": ["faq", "labelled"]})
    assert isinstance(recipe, TripletRecipe)
    assert (recipe.loss, recipe.data_format) == ("hard-triplets", ("faq", "labelled"))


def test_a_run_of_an_unknown_kind_says_that_it_cannot_be_resumed() -> None:
    with pytest.raises(InputError, match=r"The recipe generator trains `generator`.*Start a new one"):
        Recipe.of({"name": "generator", "trains": "generator"})
