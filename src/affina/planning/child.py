"""The process in which a rehearsal is run, so that nothing but the run is in its memory.

It reads one request as JSON from standard input and writes its answers as JSON, one a line, to standard output:
notices, then a forecast from the sizes, then the rehearsed one; or the problems of an error. It imports what a training
process imports, and reads what it holds at that point: that is the interpreter's share. Its parent is `process`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

import affina.pipeline.execute  # what a training process has imported before it reads anything
import affina.pipeline.folders  # noqa: F401
from affina.errors import AffinaError
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.planning.changes import changes_of, weighed
from affina.planning.estimate import setup_of
from affina.planning.fitting import judge
from affina.planning.forecast import Forecast
from affina.planning.foresee import foresee, plain, rehearsed
from affina.planning.kept import keep
from affina.planning.rehearsal import Rehearsed, rehearse
from affina.planning.room import room_for
from affina.planning.splitting import fitted
from affina.recipe.load import check_recipe
from affina.recipe.schema import Recipe
from affina.runtime import exhausted, memory, products
from affina.runtime.children import Tell, answering, as_message
from affina.runtime.disk import free_disk

FIRST_TO_GO: Final = "1000"
"""Of all processes, this one is ended first where memory runs out (Linux)."""
SPARE_DISK: Final = 2**30


def main() -> None:
    """Answer one request."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    with answering() as tell:
        try:
            answer(json.load(sys.stdin), tell)
        except Exception as error:
            if exhausted.ran_out(error):
                tell("out of memory", str(error))
            elif isinstance(error, AffinaError):
                tell("error", as_message(error))
            else:
                raise


@products.scoped()
def answer(request: dict[str, Any], tell: Tell) -> None:
    """Prepare the run that is asked for, forecast it, and rehearse it where that is asked for and may fit.

    Args:
        request: `recipe`, `folder`, `memory`, `rehearse` and `threads`, as `process` makes it.
        tell: given the kind of each answer, and what it says.
    """
    interpreter = memory.resident()
    if request["threads"]:
        torch.set_num_threads(request["threads"])
    recipe = check_recipe(request["recipe"])
    started = time.perf_counter()
    memory.forget_peak()
    prepared = prepare(_without_label_check(recipe), notify=lambda text: tell("notice", text))
    loading = memory.peak()
    held, prepared_in = memory.resident(), time.perf_counter() - started
    room = room_for(prepared.device, given=request["memory"])
    judged = partial(judge, room=room, folder=Path(request["folder"]))

    def told(found: Forecast) -> None:
        tell("forecast", {"forecast": plain(found), "fit": asdict(judged(found))})

    foreseen = partial(foresee, interpreter=interpreter, prepared_in=prepared_in, held=held)
    found = fitted(prepared, foreseen=foreseen, judged=judged)
    prepared, forecast, activations = found.prepared, found.forecast, found.activations
    if found.told and not found.fit.cannot:
        tell("notice", found.told)
    told(forecast)
    if request["rehearse"] and not found.fit.cannot:
        seen = _rehearse(prepared, forecast)
        if prepared.device.type == "cpu":
            seen.stages["loading"] = loading
        forecast = rehearsed(forecast, prepared, seen)
        keep(forecast)
    # after the rehearsal: what this holds in memory is no part of a run
    smaller = changes_of(prepared, activations, again=forecast.time.again)
    changes = weighed(forecast.memory, prepared, smaller, setup_of(prepared, activations))
    told(replace(forecast, changes=changes))


def _rehearse(prepared: Prepared, forecast: Forecast) -> Rehearsed:
    with tempfile.TemporaryDirectory(prefix="affina-plan-") as folder:
        path = Path(folder)
        writes = free_disk(path) > forecast.disk.peak + SPARE_DISK
        return rehearse(prepared, path, writes=writes)


def _without_label_check(recipe: Recipe) -> Recipe:
    """The look for wrong labels is a pass over the rows before anything is trained: no part of a rehearsal."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"check_labels": False})})


if __name__ == "__main__":
    main()
