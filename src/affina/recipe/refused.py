"""What is wrong with a recipe, in the user's words: one problem for each key, with what is allowed there and the fix.

This module checks nothing itself: it explains what the schema refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel

from affina.errors import Problem
from affina.recipe import other_names
from affina.recipe.base import AUTO
from affina.recipe.budget import as_budget
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import (
    ChatSpec,
    ClassificationSpec,
    GenerationSpec,
    GuessedSpec,
    MultiLabelSpec,
    RegressionSpec,
    TranslationSpec,
)
from affina.recipe.weight_specs import FullSpec, PartialSpec

METHODS: Final[dict[str, type[BaseModel]]] = {
    "full": FullSpec,
    "partial": PartialSpec,
    "lora": LoraSpec,
    "prompt": PromptSpec,
    "prefix": PrefixSpec,
}
TASKS: Final[dict[str, type[BaseModel]]] = {
    "auto": GuessedSpec,
    "classification": ClassificationSpec,
    "multi_label": MultiLabelSpec,
    "regression": RegressionSpec,
    "chat": ChatSpec,
    "generation": GenerationSpec,
    "translation": TranslationSpec,
}
_QUOTED: Final = re.compile(r"'([^']+)'")
_SECTIONS: Final = frozenset({"model_type", "model_attributes_type"})
"""Pydantic's kinds of error where keys were asked for, and a value was found."""
_BY_NAME: Final[dict[str, tuple[dict[str, type[BaseModel]], type[BaseModel]]]] = {
    "method": (METHODS, PartialSpec),
    "task": (TASKS, ClassificationSpec),
}
"""Keys whose own keys depend on a `name`: each name's spec, and whose keys are shown where there is none."""
_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("string_type", "string_sub_type"), "a text"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("tuple_type", "list_type"), "a list, such as [first, second]"),
    "dict_type": "keys with values, such as {{first: 1}}",
    "none_required": "null",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "a list of at least {min_length}",
    "string_too_short": "a text of at least {min_length} characters",
}
"""What pydantic's kinds of error ask for, in the user's words; other kinds speak for themselves."""


def problems_of(details: Sequence[Any], tree: Mapping[str, Any], *, origin: str) -> list[Problem]:
    """What pydantic refused, one problem a key: the branches of a union that refused the same value are one sentence.

    Args:
        details: `ValidationError.errors()`.
        tree: the recipe as nested plain data.
        origin: what it is called in messages.
    """
    by_key: dict[tuple[str, ...], list[Any]] = {}
    for detail in details:
        by_key.setdefault(tuple(_key_path(detail["loc"], tree)), []).append(detail)
    inner = [path for path in by_key if not any(other[: len(path)] == path != other for other in by_key)]
    return [_explain(path, by_key[path], tree, origin=origin) for path in inner]


def _explain(path: Sequence[str], details: Sequence[Any], tree: Mapping[str, Any], *, origin: str) -> Problem:
    """What is wrong with one key, in the user's words."""
    key = ".".join(path)
    where = f"{origin}, key {key}"
    if details[0]["type"] == "extra_forbidden":
        if "." in path[-1]:
            section, _, inner = path[-1].partition(".")
            fix = f"write it in two steps: `{section}:`, and `{inner}:` further in on the next line"
            return Problem(where=where, expected="keys without dots in a recipe file", found=repr(path[-1]), fix=fix)
        known = sorted(_fields(path[:-1], tree))
        return Problem(
            where=where,
            expected=f"one of {', '.join(known)}",
            found=f"the unknown key {path[-1]!r}",
            fix=_instead(path, known),
        )
    if missing := [str(detail["loc"][-1]) for detail in details if detail["type"] == "missing"]:
        return _missing(where, key, missing, details[0]["input"])
    expected = dict.fromkeys(_expectation(detail, tree) for detail in details)
    if any(words.startswith(f"{AUTO}, ") for words in expected):  # the names of the tasks hold it already
        expected.pop(repr(AUTO), None)
    value = details[0]["input"]
    return Problem(
        where=where,
        expected=", or ".join(expected),
        found=repr(_typed(value))[:200],
        fix=_lacks_name(key, value) or as_budget(key, value) or _nearest(key, _typed(value), details),
    )


def _missing(where: str, key: str, names: Sequence[str], value: Any) -> Problem:
    """Keys without a default that were not written."""
    wanted = " and ".join(f"{key}.{name}" for name in names)
    given = ", ".join(map(str, value)) if isinstance(value, Mapping) and value else "nothing"
    fix = f"write {' '.join(f'{key}.{name}=...' for name in names)}, or leave {key} out"
    return Problem(where=where, expected=f"{wanted}, which {key} is not without", found=f"only {given}", fix=fix)


def _typed(value: Any) -> Any:
    """What the user wrote: `task=chatt` is short for a task of that name."""
    return value["name"] if isinstance(value, Mapping) and value.keys() == {"name"} else value


def _lacks_name(key: str, value: Any) -> str:
    """The fix where keys of a method or a task stand without its name: whose keys they are."""
    if key not in _BY_NAME or not isinstance(value, Mapping) or "name" in value:
        return ""
    owners = [name for name, spec in _BY_NAME[key][0].items() if value and value.keys() <= spec.model_fields.keys()]
    if not owners:
        return f"add {key}=NAME, and only keys of its own (docs/recipe.md)"
    return f"add {' or '.join(f'{key}={name}' for name in owners)}: {', '.join(map(str, value))} is for that"


def _nearest(key: str, typed: Any, details: Sequence[Any]) -> str:
    """The fix for a value: the allowed one nearest to what was typed, or the keys under it."""
    if all(detail["type"] in _SECTIONS for detail in details):
        return f"write {key}.KEY=... with one of these, or leave {key} out"
    names = [name for detail in details for name in _QUOTED.findall(str(detail.get("ctx", {}).get("expected", "")))]
    names += _BY_NAME[key][0] if key in _BY_NAME else ()
    near = difflib.get_close_matches(str(typed).lower(), names, n=1) if isinstance(typed, str) else []
    meant = f"did you mean {key}={near[0]}? Else " if near else ""
    return f"{meant}set {key} to such a value, or leave it out"


def _expectation(detail: Any, tree: Mapping[str, Any]) -> str:
    if detail["type"] in _SECTIONS:
        return f"keys of its own: {', '.join(_fields(_key_path(detail['loc'], tree), tree))}"
    if detail["type"] == "union_tag_not_found":
        return f"`name` next to the other keys, one of {', '.join(METHODS)}"
    if detail["type"] == "union_tag_invalid":
        return ", ".join(_BY_NAME[str(detail["loc"][0])][0])
    if detail["type"] in _WORDS:
        return _WORDS[detail["type"]].format(**detail.get("ctx", {}))
    message: str = detail["msg"]
    return message.removeprefix("Input should be ").removeprefix("Value error, ")


def _key_path(location: Sequence[Any], tree: Mapping[str, Any]) -> list[str]:
    """The keys the user wrote on the way, without the names that pydantic gives to the branches of a union."""
    path: list[str] = []
    here: Any = tree
    for part in location:
        if isinstance(here, Mapping) and part in here:
            path.append(str(part))
            here = here[part]
    return path or [str(location[0])]


def _fields(path: Sequence[str], tree: Mapping[str, Any]) -> list[str]:
    """The keys that exist under `path`, the method's by its name."""
    spec: type[BaseModel] = Recipe
    for key in path:
        if key in _BY_NAME:
            known, usual = _BY_NAME[key]
            spec = known.get(_name_of(tree.get(key)), usual)
        else:
            spec = model_in(spec.model_fields[key].annotation) or spec
    return list(spec.model_fields)


def _name_of(value: Any) -> str:
    return str(value.get("name")) if isinstance(value, Mapping) else str(value)


def _instead(path: Sequence[str], known: Sequence[str]) -> str:
    """The fix for a key that is not known: another trainer's name for one, or nearly the name of one here or elsewhere.

    Args:
        path: the key.
        known: the keys that stand beside it.
    """
    name, section = path[-1], path[:-1]
    theirs = other_names.ours(name)
    if theirs and (not section or theirs.startswith(".".join([*section, ""]))):
        return f"write {theirs}"
    if near := difflib.get_close_matches(name, known, n=1):
        return f"write {'.'.join([*section, *near])}"
    if theirs and not other_names.is_common(name):
        return f"write {theirs}"
    further = _elsewhere(name, exactly=bool(section) and path[0] in _BY_NAME)
    if further == ".".join(path):
        owners = [owner for owner, spec in _BY_NAME[path[0]][0].items() if name in spec.model_fields]
        return f"remove it; it is for {path[0]}={' or '.join(owners)}"
    return f"write {further}" if further else "remove it; docs/recipe.md lists every key"


def _elsewhere(name: str, *, exactly: bool) -> str | None:
    """The dotted key of the field that is called `name`, or nearly so unless `exactly`, in another section."""
    dotted = {
        field: f"{section}.{field}"
        for section, info in Recipe.model_fields.items()
        for spec in (_BY_NAME[section][0].values() if section in _BY_NAME else [model_in(info.annotation)])
        if spec is not None
        for field in spec.model_fields
        if field != "name"
    }
    near = [name] if exactly else difflib.get_close_matches(name, dotted, n=1)
    return next((dotted[one] for one in near if one in dotted), None)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The first spec class inside a possibly nested annotation."""
    return next(iter(models_in(annotation)), None)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every spec class inside a possibly nested annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in models_in(part)]
