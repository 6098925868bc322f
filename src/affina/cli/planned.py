"""A plan on the terminal: whether it fits first, then memory, time and disk, then what would make it smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from affina.planning.fitting import below, helping, nothing_helps, parts, shell
from affina.planning.forecast import Change, Disk, Forecast
from affina.reporting.formats import counted, mebibytes
from affina.verbs.plan import Planned

MINUTE: Final = 60.0
MOST_CHANGES: Final = 8
OTHER_COLUMNS: Final = 60
"""Characters that the other columns of its table take, with words enough in a line to be read."""


def show_plan(planned: Planned, console: Console) -> None:
    """Print a plan.

    Args:
        planned: what `affina.plan` returned.
        console: where to.
    """
    found = planned.forecast

    def line(title: str, text: str, aside: str = "") -> None:
        console.print(
            f"[bold]{title:<10}[/bold]{escape(text)}[dim]{escape(aside)}[/dim]", highlight=False, soft_wrap=True
        )

    line("fits", _verdict(planned))
    if planned.note:
        line("note", planned.note)
    line("model", f"{found.model} ({found.family}), {found.parameters / 1e6:.1f} M weights")
    line("trained", f"{found.trained:,} weights, {100 * found.trained / found.parameters:.1f}% of them: {found.method}")
    line("batches", _batches(found))
    memory = found.memory
    line(
        "memory",
        f"{mebibytes(memory.peak)} at the peak ({mebibytes(memory.least)} to {mebibytes(memory.most)})",
        f"  {_above(found)}; {memory.how}",
    )
    line("", "", f"by stage: {', '.join(f'{name} {mebibytes(held)}' for name, held in memory.stages.items())}")
    line("", "", f"a training step, by the sizes: {parts(found)}")
    time = found.time
    line("epoch", f"{_duration(time.per_epoch)} ({_duration(time.least)} to {_duration(time.most)})", f"  {time.how}")
    if time.again is not None:
        line("", "", f"train.checkpoint_activations: a step's passes take {time.again:.2f} times as long (measured)")
    line("run", _run(found))
    disk = found.disk
    line(
        "disk",
        f"{mebibytes(disk.checkpoints)} of checkpoints, {mebibytes(disk.model)} of model, "
        f"{mebibytes(disk.record)} of record and report{_states(disk)}; up to {mebibytes(disk.peak)} on the way",
        f"  the model's own files take {mebibytes(disk.cached)} and are there already",
    )
    _show_changes(planned, console)


def _states(disk: Disk) -> str:
    return f", {mebibytes(disk.states)} of what frozen blocks give while it trains" if disk.states else ""


def _verdict(planned: Planned) -> str:
    fit = planned.fit
    there = fit.bound if fit.room is None else f"{mebibytes(fit.room)} ({fit.bound})"
    return (
        f"{'yes' if fit.fits else 'no'}: {mebibytes(fit.needed)} of memory needed, {there} there; "
        f"{mebibytes(fit.disk_needed)} of disk needed, {mebibytes(fit.disk_free)} free"
    )


def _above(found: Forecast) -> str:
    if found.device != "cpu":
        return f"allocated on {found.device}"
    return f"above the {mebibytes(found.memory.interpreter)} of the interpreter after its imports"


def _batches(found: Forecast) -> str:
    rows = ", ".join(f"{count:,} {split}" for split, count in found.rows.items() if count)
    return (
        f"{rows} rows; {found.batch_tokens:,} tokens in a batch{_in_parts(found)}, the longest row has "
        f"{found.longest:,}; {found.steps_per_epoch:,} steps in an epoch, {found.precision} on {found.device}"
    )


def _in_parts(found: Forecast) -> str:
    return f" (computed in {found.parts} parts)" if found.parts > 1 else ""


def _run(found: Forecast) -> str:
    (fewest, most), (least, longest) = found.time.epochs, found.time.total
    epochs = f"{fewest:g} to {most:g} epochs" if fewest < most else counted(most, "epochs")
    around = f"{_duration(found.time.before)} before the first step, {_duration(found.time.after)} after the last"
    span = f"{_duration(least)} to {_duration(longest)}" if fewest < most else _duration(most and longest)
    return f"{span}: {epochs}, {around}"


def _duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * MINUTE * MINUTE:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / MINUTE / MINUTE:.1f} h"


def _show_changes(planned: Planned, console: Console) -> None:
    changes = planned.forecast.changes
    fitting = set(helping(planned.forecast, planned.fit))
    if changes:
        console.print(_table(planned, fitting, room=console.width))
    if not planned.fits and planned.fit.room is not None and not fitting:
        alone = below(planned.forecast, planned.fit) >= planned.fit.room
        choice = "choose a machine with more memory" if alone else "choose a smaller model, or another machine"
        why = nothing_helps(planned.forecast, planned.fit)
        console.print(f"{why[0].upper()}{why[1:]}: {choice}.", highlight=False, soft_wrap=True)


def _table(planned: Planned, fitting: set[Change], *, room: int) -> Table:
    found = planned.forecast
    title = "What would make it fit" if fitting and not planned.fits else "What would make it smaller"
    table = Table(title=title, title_justify="left")
    shown = _shown(found.changes, fitting)
    words = [shell(change) for change in shown]
    whole, longest = max(map(len, words)), max(len(part) for one in words for part in one.split())
    fits = whole + OTHER_COLUMNS <= room
    table.add_column("write", width=whole if fits else longest)  # what is to be typed is never shortened
    table.add_column("needs in all", justify="right", no_wrap=True)
    if not planned.fits:
        table.add_column("fits")
    table.add_column("costs")
    for change in shown:
        cells = [Text(shell(change)), Text(mebibytes(below(found, planned.fit) + change.peak))]
        cells += [] if planned.fits else [Text(_mark(change, fitting))]
        table.add_row(*cells, Text(change.costs))
    return table


def _shown(changes: Sequence[Change], fitting: set[Change]) -> list[Change]:
    """As many as there is room for, in their order: those that suffice first of all, then some of every kind."""
    kinds = [change.words[0].partition("=")[0] for change in changes]
    nth = {change: kinds[:place].count(kinds[place]) for place, change in enumerate(changes)}
    ranked = sorted(changes, key=lambda change: (change not in fitting, nth[change]))[:MOST_CHANGES]
    return [change for change in changes if change in ranked]


def _mark(change: Change, fitting: set[Change]) -> str:
    return "yes" if change in fitting else "no"
