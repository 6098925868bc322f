"""What is compared: candidates from methods and from recipes, on the same rows, and what is refused."""

import pytest

from affina.comparing.planned import plan_of
from affina.errors import RecipeError
from affina.recipe.load import check_recipe

DATA = {"data": {"train": "a.csv"}}


def plan(*methods, seeds=1, halving=None, **recipe):
    return plan_of({"": check_recipe({**DATA, **recipe})}, methods, seeds=seeds, halving=halving)


def test_each_method_is_a_candidate_and_the_rows_are_those_of_the_first_seed():
    found = plan("full", {"name": "lora", "rank": 4}, "{name: lora, rank: 16}", seeds=3, seed=7)
    assert [one.name for one in found.candidates] == ["full", "lora rank=4", "lora rank=16"]
    assert [one.folder for one in found.candidates] == ["full", "lora-rank-4", "lora-rank-16"]
    assert found.seeds == (7, 8, 9)
    recipes = [found.recipe(one, seed, run="x") for one in found.candidates for seed in found.seeds]
    assert {recipe.rows_seed for recipe in recipes} == {7}
    assert [recipe.seed for recipe in recipes] == [7, 8, 9] * 3
    assert [recipe.method.rank for recipe in recipes[3::3]] == [4, 16]


@pytest.mark.parametrize(("halving", "runs"), [(None, 10), (3, 5 + 2 * 2), (2, 5 + 3 + 2 * 2)])
def test_the_runs_of_all_rounds_are_counted(halving, runs):
    assert plan("full", "lora", "prefix", "prompt", "partial", seeds=2, halving=halving).most_runs == runs


def test_rows_of_a_seed_of_their_own_stay_so():
    found = plan("full", "lora", seeds=2, seed=7, data={"train": "a.csv", "seed": 1})
    assert {found.recipe(found.candidates[0], seed, run="x").rows_seed for seed in found.seeds} == {1}


def test_keys_of_the_recipes_own_method_are_those_of_the_candidate():
    found = plan("full", "lora", method={"name": "lora", "rank": 2})
    assert found.recipe(found.candidates[1], 0, run="x").method.rank == 2


def test_what_all_have_in_common_reaches_every_run():
    found = plan("full", "lora", train={"epochs": 3}, model="m")
    for one in found.candidates:
        recipe = found.recipe(one, 0, run="x")
        assert (recipe.train.epochs, recipe.model, recipe.run) == (3, "m", "x")
        assert recipe.train.learning_rate == "auto"


def test_recipes_are_candidates_with_their_own_methods_and_models():
    recipes = {
        "small": check_recipe({**DATA, "model": "a", "run": "runs/small"}),
        "large": check_recipe({**DATA, "model": "b", "method": "lora", "run": "runs/large"}),
    }
    found = plan_of(recipes, (), seeds=1, halving=None)
    assert [one.name for one in found.candidates] == ["small", "large"]
    assert [found.recipe(one, 0, run="x").model for one in found.candidates] == ["a", "b"]
    assert found.base.run == "auto"  # theirs are the folders of their own runs


REFUSED = {
    "no methods": ((), {}, ("--methods", "full, partial, lora, prompt, prefix, auto", "none")),
    "one candidate": (("lora",), {}, ("two candidates or more", "one: lora", "affina train")),
    "an unknown method": (("full", "lorra"), {}, ("full, partial, lora", "'lorra'")),
    "a file among the methods": (("full", "a.csv"), {}, ("'a.csv'", "before --methods")),
    "a method twice": (("full", "lora", "full"), {}, ("full twice", "leave one of them out")),
    "the same keys twice": (("{name: lora, rank: 2}", {"name": "lora", "rank": 2}, "full"), {}, ("twice",)),
    "no seed": (("full", "lora"), {"seeds": 0}, ("--seeds", "1 or more", "0")),
    "seeds beyond the largest": (("full", "lora"), {"seeds": 2, "seed": 2**32 - 1}, ("--seeds", str(2**32 - 1))),
    "halving by one": (("full", "lora", "prefix"), {"halving": 1}, ("--halving", "2 or 3")),
    "nothing to halve": (("full", "lora"), {"halving": 2}, ("three candidates or more",)),
    "a method of the recipe that is not compared": (("full", "prefix"), {"method": "lora"}, ("add lora to --methods",)),
    "an unknown key of a method": (("full", "{name: lora, rang: 2}"), {}, ("method.rang", "method.rank")),
    "a value that cannot be": (("full", "{name: lora, rank: 0}"), {}, ("method.rank", "a number above 0")),
    "broken YAML": (("full", "{name: lora"), {}, ("{name: lora, rank: 16}", "quotes")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(case):
    methods, keys, says = REFUSED[case]
    with pytest.raises(RecipeError) as refused:
        plan(*methods, **keys)
    for part in says:
        assert part in str(refused.value), part


@pytest.mark.parametrize(
    ("second", "key"),
    [
        ({"data": {"train": "b.csv"}}, "data.train"),
        ({**DATA, "seed": 1}, "seed"),
        ({**DATA, "task": "regression"}, "task"),
        ({**DATA, "evaluate": {"metric": "loss"}}, "evaluate.metric"),
    ],
)
def test_recipes_must_have_the_same_rows_and_the_same_measure(second, key):
    recipes = {"first": check_recipe(DATA), "second": check_recipe(second)}
    with pytest.raises(RecipeError, match=f"second, key {key}"):
        plan_of(recipes, (), seeds=1, halving=None)


def test_recipes_and_methods_together_are_refused():
    recipes = {"first": check_recipe(DATA), "second": check_recipe({**DATA, "model": "x"})}
    with pytest.raises(RecipeError, match="leave --methods out"):
        plan_of(recipes, ("full", "lora"), seeds=1, halving=None)


def test_a_recipe_twice_is_refused():
    recipes = {"first": check_recipe(DATA), "second": check_recipe(DATA)}
    with pytest.raises(RecipeError, match="first and second, which are one"):
        plan_of(recipes, (), seeds=1, halving=None)
