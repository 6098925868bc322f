"""Verb: train. From a data file or a recipe to a run folder with a model to ship, its record and its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from affina.pipeline.execute import RunResult, execute
from affina.pipeline.folders import choose_folder
from affina.pipeline.prepare import prepare
from affina.recipe.load import RECIPE_SUFFIXES, check_recipe, load_recipe
from affina.recipe.schema import Recipe
from affina.record.journal import Observer

Source = str | PathLike[str] | Mapping[str, Any] | Recipe


def train(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    observers: Sequence[Observer] = (),
    notify: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Fine-tune a model.

    The same call again goes on with a run that was stopped, and starts a new one after a run that finished.

    Args:
        source: a data file or another source of rows, a list such as `[a.csv, b.csv]`, a recipe file (.yaml), a
            recipe, or its keys as nested plain data.
        overrides: words like `train.epochs=3`, laid over a file.
        resume: fail unless there is a stopped run of this recipe to go on with.
        observers: shown every record as it is written.
        notify: told of slow work before the first record.

    Returns:
        The run folder and the scores.

    Raises:
        InputError: something that was given cannot be used; nothing was written.
        NonFiniteError: training left the range of numbers.
        Interrupted: stopped by the user; the same call goes on.
    """
    started = time.perf_counter()
    recipe = read_source(source, overrides)
    prepared = prepare(recipe, notify=notify)
    place = choose_folder(prepared, must_resume=resume)
    return execute(prepared, place, observers=observers, prepared_in=time.perf_counter() - started)


def read_source(source: Source, overrides: Sequence[str]) -> Recipe:
    """The recipe that `source` and `overrides` say."""
    if isinstance(source, Recipe):
        return load_recipe(None, overrides=overrides, base=source.model_dump(mode="json", exclude_unset=True))
    if isinstance(source, Mapping):
        check_recipe(source)
        return load_recipe(None, overrides=overrides, base=source)
    path = Path(source)
    if isinstance(source, str) and source.startswith("[") and not path.exists():  # a list of files
        return load_recipe(None, overrides=[f"data.train={source}", *overrides])
    if path.suffix.lower() in RECIPE_SUFFIXES:
        return load_recipe(path, overrides=overrides)
    return load_recipe(None, overrides=overrides, base={"data": {"train": str(source)}})
