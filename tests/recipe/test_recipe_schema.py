"""The JSON Schema, for editors, says of a recipe what the types say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from affina.recipe.base import Spec
from affina.recipe.load import check_recipe
from affina.recipe.schema import Recipe

SCHEMA = json.loads(json.dumps(Recipe.model_json_schema()))


def specs() -> dict[str, type[BaseModel]]:
    waiting: list[Any] = [Recipe]
    found: dict[str, type[BaseModel]] = {}
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, Spec):
            found[item.__name__] = item
            waiting += [info.annotation for info in item.model_fields.values()]
        waiting += get_args(item)
    return found


SPECS = specs()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def of(name: str) -> dict[str, Any]:
    return SCHEMA if name == "Recipe" else SCHEMA["$defs"][name]


def test_every_section_is_in_the_schema():
    assert set(SCHEMA["$defs"]) == set(SPECS) - {"Recipe"}
    assert {"DataSpec", "TrainSpec", "EarlyStoppingSpec", "PartialSpec", "FullSpec"} <= set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_an_editor_knows_every_key_and_marks_the_unknown(name):
    assert set(of(name)["properties"]) == set(SPECS[name].model_fields)
    assert of(name)["additionalProperties"] is False


def test_every_reference_leads_somewhere():
    found = set(references(SCHEMA))
    assert found
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(SCHEMA["$defs"])


def test_bounds_and_choices_are_in_the_schema():
    train = of("TrainSpec")["properties"]
    assert {"exclusiveMinimum": 0, "type": "number"} in train["epochs"]["anyOf"]
    assert set(train["precision"]["enum"]) == {"auto", "fp32", "bf16", "fp16"}
    assert of("Recipe")["properties"]["seed"]["exclusiveMaximum"] == 2**32


SECTIONS = {"data", "train", "evaluate", "generate", "risks", "overfitting", "forgetting", "bias", "export", "name"}


@pytest.mark.parametrize("name", SPECS)
def test_every_key_has_a_sentence_for_the_reader(name):
    spec = SPECS[name]
    assert spec.__doc__
    for key, info in spec.model_fields.items():
        is_section = key in SECTIONS and info.default is not None
        assert is_section or (info.description or "").endswith("."), f"{name}.{key}"


def test_rows_are_held_out_by_the_seed_of_the_run_unless_they_have_one_of_their_own():
    assert check_recipe({"seed": 3}).rows_seed == 3
    assert check_recipe({"seed": 3, "data": {"seed": 0}}).rows_seed == 0
