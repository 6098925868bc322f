"""Verb: train. From a data file or a recipe to a run folder with a model to ship, its record and its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from affina.errors import Interrupted, Problem
from affina.pipeline.budgets import check_gate
from affina.pipeline.execute import Before, RunResult, execute
from affina.pipeline.folders import Place, choose_folder
from affina.pipeline.prepare import prepare
from affina.planning.starting import predict_run
from affina.recipe.schema import Recipe
from affina.record.journal import Observer
from affina.runtime import exhausted, memory, products
from affina.verbs.sources import Source, read_source


def train(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    gate: bool = False,
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
        gate: refuse a recipe without budgets; whether they were kept is in the result, for the caller to fail on.
        observers: shown every record as it is written.
        notify: told of slow work before the first record.

    Returns:
        The run folder and the scores.

    Raises:
        InputError: something that was given cannot be used; nothing was written.
        ResourceError: this machine has not the memory or the disk for the run; nothing was written.
        NonFiniteError: training left the range of numbers.
        Interrupted: stopped by the user; the same call goes on.
    """
    recipe = read_source(source, overrides)
    if gate:
        check_gate(recipe)
    return train_recipe(recipe, resume=resume, observers=observers, notify=notify)


@products.scoped()
def train_recipe(
    recipe: Recipe,
    *,
    share: float = 1.0,
    resume: bool = False,
    observers: Sequence[Observer] = (),
    notify: Callable[[str], None],
) -> RunResult:
    """`train`, of a recipe that was read, or of a share of its epochs and steps."""
    started, held, held_at_most = time.perf_counter(), memory.resident(), memory.peak()
    place: Place | None = None
    try:
        with exhausted.told():
            prepared = prepare(recipe, notify=notify, share=share)
            seconds = time.perf_counter() - started
            prepared, predicted = predict_run(prepared, interpreter=held, prepared_in=seconds, notify=notify)
        place = choose_folder(prepared, must_resume=resume)
        before = Before(seconds=seconds, predicted=predicted, held=held, held_at_most=held_at_most)
        return execute(prepared, place, observers=observers, before=before)
    except KeyboardInterrupt:  # the loop, which can go on, ends by itself
        raise Interrupted(_stopped(place)) from None


def _stopped(place: Place | None) -> Problem:
    """What a run left that was stopped outside its steps, or at once by a second Ctrl-C."""
    last = None if place is None else place.folder.last()
    if place is None:
        found, fix = "stopped by you during the preparation; nothing was written", "give the same command again"
    elif last is None:
        found = "stopped by you before the first checkpoint"
        fix = "give the same command again: it goes on in this folder, from the beginning"
    else:
        step = int(last.name.removeprefix("step-"))
        found, fix = f"stopped by you; the last checkpoint is of step {step}", "give the same command again to go on"
    where = "affina train" if place is None else str(place.folder.path)
    return Problem(where=where, expected="time to come to the end of the run", found=found, fix=fix)
