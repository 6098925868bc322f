"""Whether a run fits: what it needs beside what is there, for memory and for disk.

Owns the sentence that says so, and the error of a run that cannot fit. It looks at nothing but the figures it is given.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affina.errors import Problem, ResourceError
from affina.planning.forecast import Change, Forecast
from affina.record.folder import RunFolder
from affina.reporting.formats import mebibytes
from affina.runtime.disk import free_disk
from affina.runtime.memory import Room

OVERRIDE: Final = "train.too_large=try"
SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is needed beside what is there, in bytes; what a stopped run has in its folder already counts as there.

    Attributes:
        fits: whether memory and disk suffice by the forecast.
        cannot: whether they do not suffice even if the forecast is as far too high as we have seen one.
        needed: memory: the peak, with the interpreter on a CPU, and with what is only mapped where address space
            is bounded.
        room: the memory that is there for it; None where nothing tells.
        bound: what bounds it, in words.
        disk_needed: the most that the run folder may take.
        disk_free: on its disk, with what the folder of a run that goes on takes already.
    """

    fits: bool
    cannot: bool
    needed: int
    room: int | None
    bound: str
    disk_needed: int
    disk_free: int


def judge(forecast: Forecast, room: Room | None, *, folder: Path) -> Fit:
    """Compare a forecast with what is there.

    Args:
        forecast: of the run.
        room: the memory that the whole process may come to hold; None if nothing tells.
        folder: the run folder, which need not exist; that of a stopped run is one that goes on.
    """
    base = forecast.memory.interpreter if forecast.device == "cpu" else 0
    base += 0 if room is None else room.beside
    needed, least = base + forecast.memory.peak, base + forecast.memory.least
    free = free_disk(folder) + taken(folder)
    return Fit(
        fits=(room is None or needed <= room.free) and forecast.disk.peak <= free,
        cannot=(room is not None and least > room.free + room.spare) or forecast.disk.least > free,
        needed=needed,
        room=None if room is None else room.free,
        bound="nothing tells how much memory is there" if room is None else room.what,
        disk_needed=forecast.disk.peak,
        disk_free=free,
    )


def taken(folder: Path) -> int:
    """Bytes that a run has written into its folder already; nothing for one that is no run or cannot be read."""
    if not os.access(folder, os.R_OK | os.X_OK) or not RunFolder(folder).journal.is_file():
        return 0
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def helping(forecast: Forecast, fit: Fit) -> tuple[Change, ...]:
    """The changes with which the run would fit into the memory."""
    if fit.room is None:
        return ()
    base = below(forecast, fit)
    return tuple(change for change in forecast.changes if base + change.peak <= fit.room)


def below(forecast: Forecast, fit: Fit) -> int:
    """Bytes that are needed whatever the recipe says: the interpreter's on a CPU, and what is only mapped."""
    return fit.needed - forecast.memory.peak


def nothing_helps(forecast: Forecast, fit: Fit) -> str:
    """Why no change of the recipe would make the run fit."""
    if fit.room is not None and (base := below(forecast, fit)) >= fit.room:
        return (
            f"the interpreter with its libraries alone needs {mebibytes(base)}, before any model is loaded, "
            "so no change of the recipe can help"
        )
    if not forecast.changes:
        return "what would make it smaller could not be looked at"
    return "no change of the recipe that we know of suffices"


def refusal(forecast: Forecast, fit: Fit) -> ResourceError:
    """The error of a run that cannot fit."""
    problems = []
    if fit.room is not None and fit.needed > fit.room:
        problems.append(
            Problem(
                where="memory",
                expected=f"at most {mebibytes(fit.room)}: {fit.bound}",
                found=f"a run that needs about {mebibytes(fit.needed)} ({spread(forecast)}): {parts(forecast)}",
                fix=_fix(forecast, fit),
            )
        )
    if fit.disk_needed > fit.disk_free:
        problems.append(
            Problem(
                where="disk of the run folder",
                expected=f"at most {mebibytes(fit.disk_free)}, which are free there",
                found=f"a run that writes up to {mebibytes(fit.disk_needed)} of checkpoints and models at a time, and "
                f"{mebibytes(forecast.disk.least)} at the least",
                fix=f"make room, write run=... on another disk or train.keep=1, or {OVERRIDE} to try it all the same",
            )
        )
    return ResourceError(*problems)


def spread(forecast: Forecast) -> str:
    """How sure the peak is."""
    memory = forecast.memory
    return f"of them between {mebibytes(memory.least)} and {mebibytes(memory.most)} the run's own, {memory.how}"


def parts(forecast: Forecast) -> str:
    """What the peak of the training consists of, the largest part first."""
    ordered = sorted(forecast.memory.parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {mebibytes(size)}" for name, size in ordered)


def _fix(forecast: Forecast, fit: Fit) -> str:
    changes = helping(forecast, fit)
    if not changes:
        choice = (
            "choose a machine" if below(forecast, fit) >= (fit.room or 0) else "choose a smaller model or a machine"
        )
        return f"{choice} with more memory: {nothing_helps(forecast, fit)}; {OVERRIDE} tries it all the same"
    base = below(forecast, fit)
    shown = "; or ".join(f"{shell(change)} ({mebibytes(base + change.peak)})" for change in changes[:SHOWN])
    return f"write {shown}; `affina plan` says more, {OVERRIDE} tries it all the same"


def shell(change: Change) -> str:
    """The change as one types it."""
    return " ".join(f"'{word}'" if " " in word else word for word in change.words)
