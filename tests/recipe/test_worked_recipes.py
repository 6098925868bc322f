"""The recipes in `recipes/` are valid, name nothing of one machine, and warn where people could be hurt."""

from pathlib import Path

import pytest

from affina.recipe.load import load_recipe

FILES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))


def test_there_are_recipes_to_look_at():
    assert {"customer-support.yaml", "medical-answers.yaml"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_reads_and_runs_where_its_user_is(file):
    recipe = load_recipe(file, overrides=[])

    assert isinstance(recipe.data.train, str)
    assert not Path(recipe.data.train).is_absolute()
    assert recipe.run == f"runs/{file.stem}"
    assert f"affina train {file.name} data.train={recipe.data.train}" in file.read_text("utf-8")


def test_the_medical_recipe_says_what_it_is_not():
    [file] = [file for file in FILES if file.stem == "medical-answers"]

    assert "no medical advice" in load_recipe(file, overrides=[]).notice
