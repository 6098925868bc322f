"""Words on the command line: `key=value`, laid over a file key by key."""

from __future__ import annotations

import pytest

from affina.errors import RecipeError
from affina.recipe.load import load_recipe
from affina.recipe.schema import Recipe
from affina.recipe.weight_specs import FullSpec, PartialSpec


def of(*words, base=None):
    return load_recipe(None, overrides=words, base=base)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("2.5E-3", 2.5e-3), ("1e-05", 1e-5), ("0.001", 1e-3), ("auto", "auto")]
)
def test_learning_rates_as_people_type_them(text, value):
    assert of(f"train.learning_rate={text}").train.learning_rate == value


@pytest.mark.parametrize("name", ["1e4.csv", "e", "-e", "2e", "e5", "1e-4x"])
def test_names_with_an_e_stay_names(name):
    assert of(f"data.train={name}").data.train == name


def test_a_column_that_looks_like_a_number_keeps_its_letters():
    for written in ("5", "007", "1e4", "1.5", "1_000"):
        assert of(f"data.label={written}").data.label == written


def test_a_run_folder_may_be_called_by_a_number():
    assert of("run=7").run == "7"
    assert of("model=7").model == "7"


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("train.clip=null", ("train", "clip"), None),
        ("evaluate.baselines=false", ("evaluate", "baselines"), False),
        ("train.early_stopping=false", ("train", "early_stopping"), False),
        ("data.train=a=b.csv", ("data", "train"), "a=b.csv"),
        ("data.train=a: b.csv", ("data", "train"), "a: b.csv"),
        ("data.text=[oops", ("data", "text"), "[oops"),
        ("method.layers=[pooler, layer.2]", ("method", "layers"), ("pooler", "layer.2")),
    ],
)
def test_values(word, path, value):
    base = {"method": "partial"} if path[0] == "method" else None
    section, key = path
    assert getattr(getattr(of(word, base=base), section), key) == value


def test_a_word_changes_its_key_alone(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("method: {name: partial, blocks: 2}\ntrain: {epochs: 3, warmup: 0.2}\n")
    recipe = load_recipe(path, overrides=["train.epochs=4", "method.embeddings=trained"])
    assert (recipe.train.epochs, recipe.train.warmup) == (4, 0.2)
    assert recipe.method == PartialSpec(blocks=2, embeddings="trained")


def test_a_key_under_a_short_form():
    assert of("method=partial", "method.blocks=2").method == PartialSpec(blocks=2)
    assert of("method.blocks=2", base={"method": "partial"}).method == PartialSpec(blocks=2)


def test_another_method_takes_the_place_of_the_old_one():
    assert of("method=full", base={"method": {"name": "partial", "blocks": 2}}).method == FullSpec()
    assert of("method=auto", base={"method": {"name": "partial"}}) == Recipe()


def test_the_last_word_counts():
    assert of("seed=1", "seed=2").seed == 2


def test_the_file_counts_more_than_the_base(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("data: {label: intent}\n")
    recipe = load_recipe(path, base={"data": {"train": "a.csv", "label": "label"}})
    assert (recipe.data.train, recipe.data.label) == ("a.csv", "intent")


def test_the_base_is_not_changed():
    base = {"train": {"epochs": 1}}
    assert of("train.epochs=2", base=base).train.epochs == 2
    assert base == {"train": {"epochs": 1}}


@pytest.mark.parametrize("word", ["epochs", "=3", ".x=3", "train.=3", "train..epochs=3", ""])
def test_words_that_are_no_key_and_value(word):
    with pytest.raises(RecipeError) as caught:
        of(word)
    (problem,) = caught.value.problems
    assert repr(word) in problem.where
    assert "key=value" in problem.expected


def test_unknown_keys_in_words_are_refused_with_a_suggestion():
    with pytest.raises(RecipeError) as caught:
        of("train.epoch=3", "data.lable=x", "a.b.c=1")
    fixes = {problem.where: problem.fix for problem in caught.value.problems}
    assert fixes["recipe, key train.epoch"] == "write train.epochs"
    assert fixes["recipe, key data.lable"] == "write data.label"
    assert "recipe, key a" in fixes


@pytest.mark.parametrize("word", ["train=3", "data=a.csv", "seed.x=1", "train.epochs.x=1"])
def test_a_value_for_a_section_and_a_key_under_a_value_are_refused(word):
    with pytest.raises(RecipeError) as caught:
        of(word)
    key = word.partition("=")[0]
    assert all(problem.where.removeprefix("recipe, key ") in key for problem in caught.value.problems)


@pytest.mark.parametrize("mark", ["|", ",", ";", ">", "/", "blank", "007"])
def test_what_stands_between_labels_is_taken_as_it_is_typed(mark):
    assert load_recipe(None, overrides=[f"task.separator={mark}"]).task.separator == mark


def test_a_key_that_one_task_alone_has_names_it_and_one_that_two_have_leaves_it_open():
    assert load_recipe(None, overrides=["task.thresholds=0.3"]).task.name == "multi_label"
    assert load_recipe(None, overrides=["task.decimal=comma"]).task.name == "regression"
    assert load_recipe(None, overrides=["task.class_weights=balanced"]).task.name == "auto"
    assert load_recipe(None, overrides=["task=auto"]).task == "auto"
    assert load_recipe(None, overrides=["data.label=[a, b]"]).data.label == ("a", "b")
