"""Verb: plan. What a run will need and take, before anything of it is started: memory, time, disk; and whether it fits.

torch is not loaded here: a process of its own prepares the run and rehearses a few of its steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from affina.planning.fitting import Fit, helping
from affina.planning.forecast import Change, Disk, Forecast, Memory, Time
from affina.planning.process import ask
from affina.verbs.sources import Source, read_source


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan.

    Attributes:
        forecast: what the run needs and takes.
        fit: the same beside what this machine has.
        note: why nothing was rehearsed; empty if something was.
        seconds: what the plan took.
    """

    forecast: Forecast
    fit: Fit
    note: str
    seconds: float

    @property
    def fits(self) -> bool:
        """Whether memory and disk suffice, by the forecast."""
        return self.fit.fits

    def as_json(self) -> dict[str, Any]:
        """`{"fits", "memory": {"peak_bytes", ...}, "time": {"seconds_per_epoch", ...}, "disk", "changes", ...}`."""
        found = self.forecast
        return {
            "fits": self.fit.fits,
            "model": found.model,
            "family": found.family,
            "method": found.method,
            "device": found.device,
            "precision": found.precision,
            "parameters": found.parameters,
            "trained_parameters": found.trained,
            "rows": found.rows,
            "batch_tokens": found.batch_tokens,
            "parts": found.parts,
            "longest": found.longest,
            "steps_per_epoch": found.steps_per_epoch,
            "memory": _memory(found.memory, self.fit),
            "time": _time(found.time),
            "disk": _disk(found.disk, self.fit),
            "changes": [_change(change, found.memory, self.fit) for change in found.changes],
            "would_fit": [list(change.words) for change in helping(found, self.fit)],
            "steps": found.steps,
            "note": self.note,
            "seconds": self.seconds,
        }


def _memory(memory: Memory, fit: Fit) -> dict[str, Any]:
    return {
        "peak_bytes": memory.peak,
        "least_bytes": memory.least,
        "most_bytes": memory.most,
        "interpreter_bytes": memory.interpreter,
        "needed_bytes": fit.needed,
        "at_hand_bytes": fit.room,
        "bound": fit.bound,
        "stages": memory.stages,
        "parts": memory.parts,
        "how": memory.how,
    }


def _time(seconds: Time) -> dict[str, Any]:
    return {
        "seconds_per_epoch": seconds.per_epoch,
        "least_seconds_per_epoch": seconds.least,
        "most_seconds_per_epoch": seconds.most,
        "cpu_seconds_per_epoch": seconds.cpu_per_epoch,
        "of_an_epoch": {"steps": seconds.steps, "evaluations": seconds.evaluations, "writes": seconds.writes},
        "epochs": {"least": seconds.epochs[0], "most": seconds.epochs[1]},
        "before_seconds": seconds.before,
        "after_seconds": seconds.after,
        "total_seconds": dict(zip(("least", "most"), seconds.total, strict=True)),
        "times_as_long_with_checkpoint_activations": seconds.again,
        "how": seconds.how,
    }


def _disk(disk: Disk, fit: Fit) -> dict[str, Any]:
    return {
        "checkpoints_bytes": disk.checkpoints,
        "model_bytes": disk.model,
        "record_bytes": disk.record,
        "peak_bytes": disk.peak,
        "cached_bytes": disk.cached,
        "states_bytes": disk.states,
        "free_bytes": fit.disk_free,
    }


def _change(change: Change, memory: Memory, fit: Fit) -> dict[str, Any]:
    needed = fit.needed - memory.peak + change.peak
    fits = fit.room is None or needed <= fit.room
    words, costs = list(change.words), change.costs
    return {"words": words, "peak_bytes": change.peak, "needed_bytes": needed, "costs": costs, "fits": fits}


def plan(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    memory_limit: int | None = None,
    rehearse: bool = True,
    notify: Callable[[str], None] = lambda _: None,
) -> Planned:
    """Say what a run will need and take; nothing is trained that is kept, and no run folder is made.

    The forecast is kept in Affina's cache folder, so that a run of the same recipe is compared with it.

    Args:
        source: a data file, a recipe file (.yaml), a recipe, or its keys as nested plain data.
        overrides: words like `train.batch_tokens=512`, laid over a file.
        memory_limit: bytes in the place of what this machine has, for a run on another one.
        rehearse: run up to ten steps; without it everything is from the sizes alone.
        notify: told of slow work.

    Raises:
        InputError: something that was given cannot be used.
    """
    started = time.perf_counter()
    answer = ask(read_source(source, overrides), memory=memory_limit, rehearse=rehearse, notify=notify)
    return Planned(answer.forecast, answer.fit, answer.note, round(time.perf_counter() - started, 2))
