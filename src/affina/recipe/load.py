"""From what a user typed to a `Recipe`: a YAML file, `key=value` words, or both, checked as a whole.

All problems are collected and raised at once, each with the key, what was expected and the fix. This module does
not decide what `auto` means (`resolve`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from affina.errors import Problem, RecipeError
from affina.recipe.refused import models_in, problems_of
from affina.recipe.schema import Recipe

RECIPE_SUFFIXES: Final = (".yaml", ".yml")
TOO_DEEP: Final = "brackets or blocks nested too deeply"
DEEPEST: Final = 100  # brackets within brackets; a recipe has three


def load_recipe(path: Path | None, *, overrides: Sequence[str] = (), base: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file, lay `overrides` over it, and check the result.

    Args:
        path: a YAML file, or None for an empty recipe.
        overrides: words like `train.epochs=3`; the value is read as YAML.
        base: keys under the file's, for callers that know some (the data file given on the command line).

    Raises:
        RecipeError: with every problem found.
    """
    tree = _merge(dict(base or {}), _read_yaml(path) if path else {})
    for word in overrides:
        _assign(tree, *_parse_override(word))
    return check_recipe(tree, origin=str(path) if path else "recipe")


def check_recipe(tree: Mapping[str, Any], *, origin: str = "recipe") -> Recipe:
    """A `Recipe` from nested plain data; unknown keys and wrong values are refused, all at once."""
    try:
        recipe = Recipe.model_validate(dict(tree))
    except ValidationError as error:
        raise RecipeError(*problems_of(error.errors(), tree, origin=origin)) from error
    if problems := list(_taken_for_numbers(tree, recipe, where=f"{origin}, key ")):
        raise RecipeError(*problems)
    return recipe


def _taken_for_numbers(given: Any, found: Any, *, where: str) -> Iterator[Problem]:
    """`true` and `false` where a number is meant, which pydantic reads as 1 and 0."""
    if isinstance(given, Mapping):
        for key, inner in given.items():
            value = found.get(key) if isinstance(found, Mapping) else getattr(found, str(key), None)
            yield from _taken_for_numbers(inner, value, where=f"{where}.{key}")
    elif isinstance(given, list | tuple) and isinstance(found, list | tuple):
        for inner, value in zip(given, found, strict=False):  # a text with commas may have become a list
            yield from _taken_for_numbers(inner, value, where=where)
    elif isinstance(given, bool) and isinstance(found, int | float) and not isinstance(found, bool):
        fix = "write a number, or leave it out"
        yield Problem(where=where.replace("key .", "key "), expected="a number", found=str(given).lower(), fix=fix)


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that `load_recipe` reads back to an equal one."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, where plain YAML keeps the last one silently.

    Brackets deeper than any recipe's are refused as they open: the scanner's time grows with the square of their depth.
    """

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803 - the library's name
        if self.flow_level == DEEPEST:
            raise RecursionError(TOO_DEEP)
        super().fetch_flow_collection_start(TokenClass)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.value[place][0].start_mark
                )
        return super().construct_mapping(node, deep=deep)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = _yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise RecipeError(_unreadable(path, "no such file", "check the path")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(_unreadable(path, str(error), "make it a readable UTF-8 text file")) from error
    except RecursionError:
        raise RecipeError(_unreadable(path, TOO_DEEP, "correct the brackets, or take the file from a copy")) from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        found = (error.problem if isinstance(error, yaml.MarkedYAMLError) else None) or str(error)
        problem = Problem(
            where=place, expected="YAML: `key: value` lines", found=found, fix="correct that line; see docs/recipe.md"
        )
        raise RecipeError(problem) from error
    if not isinstance(tree, dict | None):
        raise RecipeError(_unreadable(path, f"a {type(tree).__name__}", "write `key: value` lines; see docs/recipe.md"))
    return tree or {}


def _unreadable(path: Path, found: str, fix: str) -> Problem:
    return Problem(where=str(path), expected="a recipe file with `key: value` lines", found=found, fix=fix)


def _parse_override(word: str) -> tuple[list[str], Any]:
    key, equals, text = word.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(
            Problem(
                where=f"the word {word!r}",
                expected="key=value, such as train.epochs=3",
                found="no `=`" if not equals else "an empty key",
                fix="write the key, an equals sign and the value without blanks around it",
            )
        )
    path = key.split(".")
    try:
        value = _yaml(text)
    except (yaml.YAMLError, RecursionError):
        return path, text
    kinds = _kinds_of(path)
    if str not in kinds or kinds & {int, float}:
        return path, _number(value)
    # A text and never a number: a column called 007 or a folder called 1e4 keeps its letters.
    if value == "" and text.strip(" \"'"):
        return path, text  # a lone | or > opens a block in YAML; here it is what it is
    lists = any(get_origin(kind) is tuple for kind in kinds)
    keeps = value is None or isinstance(value, str) or (lists and isinstance(value, list))
    return path, value if keeps else text


def _kinds_of(path: Sequence[str]) -> set[Any]:
    """What a key holds, as the branches of its type; nothing for an unknown key."""
    specs: list[type[BaseModel]] = [Recipe]
    for key in path[:-1]:
        inner = [spec.model_fields[key].annotation for spec in specs if key in spec.model_fields]
        specs = [spec for annotation in inner for spec in models_in(annotation)]
    fields = [spec.model_fields[path[-1]] for spec in specs if path[-1] in spec.model_fields]
    return {kind for field in fields for kind in _kinds(field.annotation)}


def _kinds(annotation: Any) -> set[Any]:
    """The branches of a union, without their constraints."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {kind for branch in get_args(annotation) for kind in _kinds(branch)}
    return {annotation}


def _number(value: Any) -> Any:
    """YAML 1.1 reads `1e-4` as text; people who type a learning rate mean a number."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() else value
        except ValueError:
            return value
    return value


def _assign(tree: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested key; a short form on the way (`method: partial`) is spelled out first."""
    here = tree
    for key in path[:-1]:
        inner = here.get(key)
        here[key] = dict(inner) if isinstance(inner, dict) else {"name": inner} if isinstance(inner, str) else {}
        here = here[key]
    here[path[-1]] = value


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
