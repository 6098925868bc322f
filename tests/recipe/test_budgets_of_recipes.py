"""How a budget may be written, and how it is not."""

import pytest

from affina.errors import RecipeError
from affina.recipe.load import check_recipe, dump_recipe, load_recipe


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("risks.forgetting.budget=5%", 0.05),
        ("risks.forgetting.budget=0.05", 0.05),
        ("risks.forgetting.budget=5e-2", 0.05),
        ("risks.overfitting.budget=30 %", 0.3),
        ("risks.bias.budget=2pp", 0.02),
        ("risks.bias.budget=0.02", 0.02),
        ("risks.forgetting.budget=null", None),
    ],
)
def test_shares_and_points(tmp_path, word, value):
    recipe = load_recipe(None, overrides=[word])
    risk = word.split(".")[1]
    found = getattr(recipe.risks, risk).budget
    assert found == (pytest.approx(value) if value is not None else None)
    path = tmp_path / "again.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


@pytest.mark.parametrize(
    ("risk", "given", "says"),
    [
        ("forgetting", 5, "5% or 0.05"), ("forgetting", 1, "5% or 0.05"), ("forgetting", "0%", "above 0"),
        ("forgetting", "-5%", "above 0"), ("forgetting", "five", "5% or 0.05"), ("forgetting", "nan", "above 0"),
        ("forgetting", "inf%", "above 0"), ("forgetting", "150%", "below 100%"),
        ("forgetting", "2pp", "5% or 0.05"), ("overfitting", True, "5% or 0.05"),
        ("bias", "2%", "2pp or 0.02"), ("bias", 2, "2pp or 0.02"), ("bias", [1], "2pp or 0.02"),
    ],
)  # fmt: skip
def test_what_is_no_budget_is_refused_by_its_key_with_the_unit(risk, given, says):
    with pytest.raises(RecipeError) as caught:
        check_recipe({"risks": {risk: {"budget": given}}})
    assert f"risks.{risk}.budget" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [("risks.forgetting.budget=5", "did you mean 5%?"), ("risks.bias.budget=2%", "did you mean 2pp?")],
)
def test_a_budget_in_another_unit_is_answered_with_the_right_one(word, says):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, overrides=[word])
    assert says in caught.value.problems[0].expected


def test_words_of_the_checker_itself_are_not_shown():
    words = ["data.validation=0.7", "train.max_steps=1.5", "data.drop_duplicates=maybe", "seed=x"]
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, overrides=words)
    found = {problem.where.rpartition(" ")[2]: problem.expected for problem in caught.value.problems}
    assert found["train.max_steps"] == "a whole number"
    assert found["data.drop_duplicates"] == "true or false"
    assert not any("valid" in expected or "less than or equal" in expected for expected in found.values())


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("risks.forgetting=5%", "write risks.forgetting.budget=5%"),
        ("risks.forgetting=0.05", "write risks.forgetting.budget=0.05"),
        ("risks.overfitting=30", "write risks.overfitting.budget=30%"),
        ("risks.bias=2pp", "write risks.bias.budget=2pp"),
        ("risks.bias=2%", "write risks.bias.budget=2pp"),
        ("risks.forgetting=a.txt", "write risks.forgetting.KEY=... with one of these, or leave risks.forgetting out"),
        ("risks.bias=150%", "write risks.bias.KEY=... with one of these, or leave risks.bias out"),
        ("generate=5", "write generate.KEY=... with one of these, or leave generate out"),
    ],
)
def test_a_budget_that_was_given_to_the_risk_itself_is_put_where_it_belongs(word, fix):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, overrides=[word])
    assert caught.value.problems[0].fix == fix
    if "budget" in fix:
        load_recipe(None, overrides=[fix.removeprefix("write ")])
