"""What the verbs take: a data file, a recipe file, a recipe, or its keys; read to a recipe without loading torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from affina.recipe.load import RECIPE_SUFFIXES, check_recipe, load_recipe
from affina.recipe.schema import Recipe
from affina.recipe.words import is_override

Source = str | PathLike[str] | Mapping[str, Any] | Recipe


def read_source(source: Source, overrides: Sequence[str]) -> Recipe:
    """The recipe that `source` and `overrides` say."""
    if isinstance(source, Recipe):
        return load_recipe(None, overrides=overrides, base=source.model_dump(mode="json", exclude_unset=True))
    if isinstance(source, Mapping):
        check_recipe(source)
        return load_recipe(None, overrides=overrides, base=source)
    if isinstance(source, str) and is_override(source):  # `affina train model=X data.train=F`: all of them keys
        return load_recipe(None, overrides=[source, *overrides])
    path = Path(source)
    if isinstance(source, str) and source.startswith("[") and not path.exists():  # a list of files
        return load_recipe(None, overrides=[f"data.train={source}", *overrides])
    if path.suffix.lower() in RECIPE_SUFFIXES:
        return load_recipe(path, overrides=overrides)
    return load_recipe(None, overrides=overrides, base={"data": {"train": str(source)}})
