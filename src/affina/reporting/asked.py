"""What the user asked for: the recipe's keys that are not at their defaults, one by one.

This module knows no key: the recipe's types and the record say which there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from affina.recipe.schema import Recipe


def asked_for(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key to value, for every key whose value is not the default; keys of another version are all kept.

    Args:
        asked: a recipe as the record has it, nested.
    """
    defaults = dict(flat(Recipe().model_dump(mode="json")))
    return {key: value for key, value in flat(asked) if key not in defaults or defaults[key] != value}


def flat(recipe: Mapping[str, Any], *, under: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a nested recipe with its dotted key."""
    for name, value in recipe.items():
        key = f"{under}{name}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, under=f"{key}.")
        else:
            yield key, value


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted key to both values, where two recipes differ; a key that one lacks is None there."""
    ours, theirs = dict(flat(first)), dict(flat(second))
    keys = dict.fromkeys([*ours, *theirs])
    return {key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)}
