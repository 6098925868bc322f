"""What is said of a run as it starts: the forecast, and the refusal of what cannot fit; it takes part of a second.

A forecast that `affina plan` made of the same run is taken; otherwise the sizes tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from affina.pipeline.folders import goes_on_in
from affina.pipeline.prepared import Prepared
from affina.planning.activations import Activations
from affina.planning.changes import changes_of, weighed
from affina.planning.estimate import setup_of
from affina.planning.fitting import OVERRIDE, judge, refusal
from affina.planning.forecast import Change, Forecast
from affina.planning.foresee import foresee
from affina.planning.kept import recall
from affina.planning.room import room_for
from affina.planning.splitting import fitted
from affina.recipe.base import AUTO
from affina.record.starts import Predicted
from affina.runtime import memory
from affina.runtime.exhausted import ran_out


def predict_run(
    prepared: Prepared, *, interpreter: int, prepared_in: float, notify: Callable[[str], None]
) -> tuple[Prepared, Predicted]:
    """Forecast a run, have it compute in parts what does not fit at once, and stop one that cannot fit.

    Args:
        prepared: the run.
        interpreter: bytes that the process held before the run.
        prepared_in: seconds that the preparation took.
        notify: told of a run that is computed in parts, or may not fit.

    Returns:
        The run as it fits, and what is foretold of it.

    Raises:
        ResourceError: the run cannot fit, and `train.too_large` is `refuse`.
    """
    recipe, room, held = prepared.recipe, room_for(prepared.device), memory.resident()
    folder = goes_on_in(prepared.recipe) or Path("runs" if recipe.run == AUTO else recipe.run)

    def foreseen(run: Prepared) -> tuple[Forecast, Activations]:
        by_sizes, activations = foresee(run, interpreter=interpreter, prepared_in=prepared_in, held=held)
        planned = recall(by_sizes.key)
        return (by_sizes if planned is None else _here(planned, interpreter)), activations

    found = fitted(prepared, foreseen=foreseen, judged=partial(judge, room=room, folder=folder))
    prepared, forecast, fit = found.prepared, found.forecast, found.fit
    changes = () if fit.fits else _changes(forecast, prepared, found.activations)
    error = None if fit.fits else refusal(replace(forecast, changes=changes), fit)
    if error is not None and fit.cannot and recipe.train.too_large == "refuse":
        raise error
    if found.told:
        notify(found.told)
        prepared = replace(prepared, notices=(*prepared.notices, found.told))
    certain = f"tried all the same ({OVERRIDE})" if fit.cannot else "it is tried"
    for problem in () if error is None else error.problems:
        notify(f"{problem.where}: {problem.expected}; {problem.found}; {certain}. If it fails: {problem.fix}")
    return prepared, Predicted(
        peak_memory_bytes=forecast.memory.peak,
        seconds_per_epoch=round(forecast.time.per_epoch, 3),
        steps=forecast.steps,
        memory_how=forecast.memory.how,
        seconds_how=forecast.time.how,
        interpreter_bytes=interpreter if forecast.device == "cpu" else 0,
    )


def _here(planned: Forecast, interpreter: int) -> Forecast:
    return replace(planned, memory=replace(planned.memory, interpreter=interpreter))


def _changes(forecast: Forecast, prepared: Prepared, activations: Activations) -> tuple[Change, ...]:
    """What would make it smaller; nothing where there is not the memory to look."""
    try:
        return weighed(forecast.memory, prepared, changes_of(prepared, activations), setup_of(prepared, activations))
    except Exception as error:
        if not ran_out(error):
            raise
        return ()
