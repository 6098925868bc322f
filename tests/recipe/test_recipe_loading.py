"""A recipe file is read whole or refused with every problem at once, each with its key and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from affina.errors import RecipeError
from affina.recipe.load import check_recipe, dump_recipe, load_recipe
from affina.recipe.schema import EarlyStoppingSpec, Recipe
from affina.recipe.task_specs import ClassificationSpec
from affina.recipe.weight_specs import FullSpec, PartialSpec


@pytest.fixture
def recipe_file(tmp_path):
    def _write(text):
        path = tmp_path / "recipe.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def problems_of(tree):
    with pytest.raises(RecipeError) as caught:
        check_recipe(tree)
    for problem in caught.value.problems:
        assert problem.expected
        assert problem.found
        assert problem.fix
    return caught.value.problems


UNKNOWN = [
    ({"modle": "x"}, "modle", "write model"),
    ({"data": {"trian": "a.csv"}}, "data.trian", "write data.train"),
    ({"task": {"name": "classification", "class_weight": "none"}}, "task.class_weight", "write task.class_weights"),
    ({"method": {"name": "partial", "block": 2}}, "method.block", "write method.blocks"),
    ({"method": {"name": "lora", "learning_rate": 1}}, "method.learning_rate", "write train.learning_rate"),
    ({"task": {"name": "chat", "max_new_tokens": 5}}, "task.max_new_tokens", "write generate.max_new_tokens"),
    ({"method": {"name": "prefix", "scale": 2}}, "method.scale", "remove it; docs/recipe.md lists every key"),
    ({"method": {"name": "prefix", "alpha": 2}}, "method.alpha", "remove it; it is for method=lora"),
    ({"train": {"epoch": 3}}, "train.epoch", "write train.epochs"),
    (
        {"train": {"early_stopping": {"patiense": 3}}},
        "train.early_stopping.patiense",
        "write train.early_stopping.patience",
    ),
    ({"evaluate": {"metrics": "accuracy"}}, "evaluate.metrics", "write evaluate.metric"),
]


@pytest.mark.parametrize(("tree", "key", "fix"), UNKNOWN, ids=[key for _, key, _ in UNKNOWN])
def test_an_unknown_key_is_refused_in_every_section_with_the_nearest_one(tree, key, fix):
    (problem,) = problems_of(tree)
    assert problem.where == f"recipe, key {key}"
    assert repr(key.split(".")[-1]) in problem.found
    assert problem.fix == fix


def test_a_key_of_another_section_is_named_in_full():
    (problem,) = problems_of({"learning_rate": 1e-4})
    assert problem.fix == "write train.learning_rate"
    (problem,) = problems_of({"data": {"patience": 1}})
    assert "patience" in problem.found


def test_an_unknown_key_near_to_nothing_is_to_be_removed_and_the_known_ones_are_listed():
    (problem,) = problems_of({"data": {"zzzzz": 1}})
    assert problem.fix.startswith("remove it")
    assert all(name in problem.expected for name in ("train", "test", "label", "max_length"))


def test_a_key_of_the_other_method_is_refused_with_the_keys_of_this_one():
    (problem,) = problems_of({"method": {"name": "full", "blocks": 2}})
    assert problem.where.endswith("method.blocks")
    assert problem.expected == "one of layer_decay, name, stage_epochs, unfreezing"


def test_all_problems_come_at_once():
    tree = {"seed": -1, "train": {"epochs": 0, "precision": "fp8"}, "data": {"tset": "x"}, "device": "tpu"}
    keys = {problem.where.removeprefix("recipe, key ") for problem in problems_of(tree)}
    assert keys == {"seed", "train.epochs", "train.precision", "data.tset", "device"}


def test_the_choices_of_a_value_are_one_sentence():
    (problem,) = problems_of({"data": {"test": 0.9}})
    assert problem.found == "0.9"
    assert "a number of at most 0.5" in problem.expected
    assert "'none'" in problem.expected
    (problem,) = problems_of({"method": "dora"})
    assert all(name in problem.expected for name in ("full", "partial", "lora", "prompt", "prefix"))


def test_a_method_without_its_name_is_asked_for_one():
    (problem,) = problems_of({"method": {"blocks": 2}})
    assert problem.where == "recipe, key method"
    assert problem.expected.startswith("`name` next to the other keys, one of full, partial")


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("train", {"epochs": float("inf")}),
        ("train", {"learning_rate": float("nan")}),
        ("train", {"learning_rate": -1e-4}),
        ("train", {"label_smoothing": 1.0}),
        ("train", {"accumulate": 0}),
        ("train", {"accumulate": 1.5}),
        ("train", {"early_stopping": {"patience": 0}}),
        ("evaluate", {"confidence": 0.5}),
        ("data", {"max_length": 0}),
        ("data", {"too_long": "cut"}),
        ("data", 5),
        ("seed", 2**32),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused_under_their_key(section, value):
    (problem,) = problems_of({section: value})
    key = section if not isinstance(value, dict) else ".".join([section, *_path(value)])
    assert problem.where == f"recipe, key {key}"


def _path(tree):
    ((key, value),) = tree.items()
    return [key, *_path(value)] if isinstance(value, dict) else [key]


def test_short_forms():
    recipe = check_recipe({"method": "partial", "task": "classification", "train": {"early_stopping": False}})
    assert recipe.method == PartialSpec()
    assert recipe.task == ClassificationSpec()
    assert recipe.train.early_stopping is False
    assert check_recipe({"method": "full"}).method == FullSpec()
    assert check_recipe({"train": {"early_stopping": True}}).train.early_stopping == EarlyStoppingSpec()
    assert check_recipe({"method": "auto", "task": "auto"}) == Recipe()


@pytest.mark.parametrize("key", ["text", "text_pair", "label", "group"])
def test_a_column_may_be_called_by_a_number(key):
    assert getattr(check_recipe({"data": {key: 5}}).data, key) == "5"
    (problem,) = problems_of({"data": {key: True}})
    assert problem.where.endswith(f"data.{key}")


def test_broken_yaml_names_file_and_line(recipe_file):
    path = recipe_file("seed: 1\ntrain:\n  epochs: [1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert problem.where.startswith(f"{path}, line ")
    assert int(problem.where.rpartition(" ")[2]) in (3, 4)


def test_a_key_written_twice_is_refused_with_its_line(recipe_file):
    path = recipe_file("seed: 1\ntrain:\n  epochs: 2\n  epochs: 3\n")
    with pytest.raises(RecipeError, match="'epochs' stands twice") as caught:
        load_recipe(path)
    assert caught.value.problems[0].where == f"{path}, line 4"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"- a\n- b\n", "a list"),
        (b"only words", "a str"),
        (b"seed: !!python/name:os.system", "could not determine a constructor"),
    ],
    ids=["not UTF-8", "a list", "a text", "a Python object"],
)
def test_a_file_that_is_no_recipe(recipe_file, content, found):
    path = recipe_file(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert problem.where.startswith(str(path))
    assert found in problem.found


def test_a_missing_file(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "\ufeff"])
def test_an_empty_recipe_is_all_defaults(recipe_file, content):
    assert load_recipe(recipe_file(content)) == Recipe()


def test_problems_name_the_recipe_file(recipe_file):
    path = recipe_file("sede: 1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.problems[0].where == f"{path}, key sede"


FULL_RECIPE = {
    "model": "starter/encoder",
    "task": {"name": "classification", "class_weights": "balanced"},
    "method": {"name": "partial", "blocks": 0, "embeddings": "trained"},
    "run": "runs/caffè",
    "seed": 2**32 - 1,
    "device": "cpu",
    "data": {"train": "a b.csv", "validation": 0.25, "test": "none", "label": "5", "text_pair": "on", "group": "no"},
    "train": {"epochs": 2.5, "learning_rate": 1e-5, "clip": None, "early_stopping": False, "dropout": 0.0},
    "evaluate": {"metric": "macro_f1", "rows": "all", "baselines": False},
}


NAMED_LAYERS = {"method": {"name": "partial", "layers": ["pooler", "layer.5"]}}


@pytest.mark.parametrize("beside", [{"blocks": 2}, {"blocks": "all"}, {"embeddings": "frozen"}])
def test_named_layers_are_refused_beside_what_they_would_override(beside):
    (problem,) = problems_of({"method": NAMED_LAYERS["method"] | beside})
    assert problem.where == "recipe, key method"
    assert f"`layers` without `{next(iter(beside))}`" in problem.expected
    assert check_recipe({"method": {"name": "partial", "layers": [], **beside}})


@pytest.mark.parametrize(
    "tree", [{}, {"method": "full"}, NAMED_LAYERS, {"train": {"early_stopping": True}}, FULL_RECIPE]
)
def test_dump_is_read_back_to_an_equal_recipe(recipe_file, tree):
    recipe = check_recipe(tree)
    assert load_recipe(recipe_file(dump_recipe(recipe))) == recipe


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 1


def test_yaml_is_the_only_reading_of_a_value(recipe_file):
    tree = yaml.safe_load(dump_recipe(check_recipe(FULL_RECIPE)))
    assert tree["data"]["text_pair"] == "on"
    assert tree["train"]["learning_rate"] == 1e-5
    assert load_recipe(Path(recipe_file("train: {learning_rate: 1e-5}"))).train.learning_rate == 1e-5


@pytest.mark.parametrize(
    ("method", "key", "says"),
    [
        ({"name": "full", "layer_decay": 0.95}, "method.layer_decay", "for a factor of 0.95 write 1.0526"),
        ({"name": "full", "layer_decay": 0}, "method.layer_decay", "1 or more"),
        ({"name": "full", "layer_decay": float("inf")}, "method.layer_decay", "finite number"),
        ({"name": "full", "unfreezing": "sudden"}, "method.unfreezing", "'gradual' or 'chain_thaw'"),
        ({"name": "full", "stage_epochs": 2}, "method", "beside `unfreezing: gradual` or `chain_thaw`"),
        ({"name": "prompt", "init": "random", "text": "answer"}, "method", "beside `init: texts`"),
        ({"name": "prompt", "text": " "}, "method", "with words in it"),
        ({"name": "prefix", "init": "random", "text": "answer"}, "method", "beside `init: words`"),
        ({"name": "prefix", "reparameterise": False, "width": 8}, "method", "beside `reparameterise: true`"),
        ({"name": "partial", "unfreezing": "gradual"}, "method.unfreezing", "it is for method=full"),
        ({"name": "lora", "layer_decay": 2.6}, "method.layer_decay", "it is for method=full"),
        ({"name": "full", "unfreezng": "gradual"}, "method.unfreezng", "write method.unfreezing"),
    ],
)
def test_rates_and_turns_of_layers_that_cannot_be_are_refused_with_the_fix(method, key, says):
    (problem,) = problems_of({"method": method})
    assert problem.where == f"recipe, key {key}"
    assert says in f"{problem.expected}; {problem.fix}"


@pytest.mark.parametrize("method", [{"name": "full"}, {"name": "full", "unfreezing": "gradual", "stage_epochs": 0.5}])
def test_full_reads_back_as_it_was_written(method):
    recipe = check_recipe({"method": method})
    assert check_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe
