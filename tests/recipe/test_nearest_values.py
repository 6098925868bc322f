"""A wrong value: what was typed is said, and what may have been meant."""

import pytest

from affina.errors import RecipeError
from affina.recipe.load import load_recipe
from affina.recipe.other_names import OURS


def refused(*words):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, overrides=words)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("word", "found", "meant"),
    [
        ("task=chatt", "'chatt'", "task=chat"),
        ("task=clasification", "'clasification'", "task=classification"),
        ("method=lorra", "'lorra'", "method=lora"),
        ("method.name=prefx", "'prefx'", "method=prefix"),
        ("train.precision=FP61", "'FP61'", "train.precision=fp16"),
        ("data.too_long=truncat", "'truncat'", "data.too_long=truncate"),
    ],
)
def test_the_nearest_value_is_offered(word, found, meant):
    problem = refused(word)
    assert problem.found == found
    assert problem.fix.startswith(f"did you mean {meant}? ")


def test_a_value_that_is_near_to_nothing_is_not_guessed():
    assert refused("task=banana").fix == "set task to such a value, or leave it out"


def test_auto_is_listed_once():
    assert refused("task=banana").expected.count("auto") == 1


@pytest.mark.parametrize(
    ("word", "added"),
    [("method.rank=4", "add method=lora: "), ("method.blocks=2", "add method=partial or method=lora: ")],
)
def test_keys_of_a_method_that_nobody_named_say_whose_they_are(word, added):
    assert refused(word).fix.startswith(added)


def test_a_key_that_no_method_has_asks_for_one():
    assert refused("method.nonsense=4").fix.startswith("add method=NAME")


def test_a_key_without_a_default_that_is_not_written_is_named():
    problem = refused("risks.bias.honest.templates=mine.csv")
    assert problem.expected == "risks.bias.honest.lexicon, which risks.bias.honest is not without"
    assert problem.fix == "write risks.bias.honest.lexicon=..., or leave risks.bias.honest out"


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("lr=1e-4", "write train.learning_rate"),
        ("train.lr=1e-4", "write train.learning_rate"),
        ("per-device-train-batch-size=8", "write train.batch_tokens, which counts tokens"),
        ("output_dir=here", "write run"),
        ("LoRA_R=8", "write method.rank"),
        ("epochs=3", "write train.epochs"),
        ("train.lerning_rate=3", "write train.learning_rate"),
        ("train.checkpoint=100", "write train.checkpoint_every"),
        ("evaluate.epoch=2", "write evaluate.per_epoch"),
        ("data.max_tokens=4", "write data.max_length"),
        ("patience=3", "write train.early_stopping.patience"),
        ("export.output=x", "remove it; docs/recipe.md lists every key"),
        ("train.base_model=x", "write model"),
        ("zzz=3", "remove it; docs/recipe.md lists every key"),
    ],
)
def test_a_key_by_another_name_says_what_is_written_here(word, fix):
    assert refused(word).fix == fix


def test_another_trainers_name_is_no_key_here():
    for name in OURS:
        with pytest.raises(RecipeError) as caught:
            load_recipe(None, overrides=[f"{name}=1"])
        assert caught.value.problems[0].fix == f"write {OURS[name]}"
