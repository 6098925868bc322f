"""What a comparison looks like while it runs, and what came of it: lines, a bar with the time left, and a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import Final, final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from affina.cli.printing import line, print_json
from affina.cli.tables import percent, too_narrow
from affina.comparing.happenings import Began, Halved, Happening, Noticed, Opened, Over, Stepped
from affina.recipe.words import is_override
from affina.record.compared import Compared, Standing
from affina.record.measures import title
from affina.reporting.costs import COSTS, Paid, paid
from affina.reporting.formats import counted, duration, interval, metric
from affina.reporting.standing_answers import apart, said, with_result
from affina.verbs.compare import compare

FORGETTING: Final = "in each run's own report"
FRONT: Final = " *"


@final
class ComparisonDisplay:
    """Prints what happens as it happens.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = partial(line, console)
        self._bars = Bars(
            TextColumn("{task.fields[work]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps  {task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._bar = self._bars.add_task("", total=1, work="", left="", visible=False)

    def close(self) -> None:
        """Take the bar away."""
        self._bars.stop()

    def __call__(self, happening: Happening) -> None:
        """Show one."""
        match happening:
            case Noticed():
                self._console.print(f"[dim]{escape(happening.text)}[/dim]", highlight=False)
            case Opened():
                rows = ", ".join(f"{count:,} {split}" for split, count in happening.rows.rows.items() if count)
                self._line("comparison", happening.folder)
                self._line("rows", f"{rows}, the same ones for all")
                known = f", {happening.before} of them known from before" if happening.before else ""
                self._line("runs", f"up to {happening.runs}{known}")
            case Began():
                self._bars.start()
                work = f"{happening.number}/{happening.of} {_called(happening.candidate, happening.seed)}"
                self._bars.update(self._bar, completed=0, total=1, work=escape(work), left="", visible=True)
            case Stepped():
                left = _left(happening.left)
                self._bars.update(self._bar, completed=happening.step, total=max(happening.of, 1), left=left)
            case Over():
                self._over(happening)
            case Halved():
                kept = ", ".join(happening.rung.kept) or "none"
                share = percent(happening.rung.share)
                self._line("round over", f"{kept} go on, the best on the validation rows after {share} of the epochs")

    def _over(self, happening: Over) -> None:
        self._bars.update(self._bar, visible=False)
        run = happening.run
        who = _called(run.candidate, run.seed)
        spent = "" if run.wall_seconds is None else f" in {duration(run.wall_seconds)}"
        if run.state == "failed":
            self._line("failed", f"{who}{spent}: {run.reason}")
            return
        score = "" if happening.score is None else metric(happening.metric, happening.score)
        figure = f"{title(happening.metric)} {score} on validation," if score else ""
        share = "" if run.share == 1 else f", {percent(run.share)} of the epochs"
        self._line("finished", f"{who}{share}: {figure}{spent}".rstrip(" ,:"), f"  {_left(happening.left)}")


def run_comparison(
    words: Sequence[str], methods: Sequence[str], *, seeds: int, halving: int | None, as_json: bool
) -> int:
    """Compare, show it, and return the exit status: that of what failed, if anything did."""
    sources = [word for word in words if not is_override(word)]
    overrides = [word for word in words if word not in sources]
    display = ComparisonDisplay(Console(stderr=as_json))
    try:
        found = compare(sources, overrides, methods=methods, seeds=seeds, halving=halving, watch=display)
    finally:
        display.close()
    if as_json:
        print_json(found.as_json())
    else:
        show_comparison(found, Console())
    return found.exit_status


def show_comparison(found: Compared, console: Console) -> None:
    """The table of all candidates and baselines, what it comes to in words, and where everything is."""
    ranked = with_result(found)
    if ranked:
        console.print(_qualities(found, ranked))
        console.print(_prices(ranked))
        console.print(f"{said(found).headline}.", highlight=False, markup=False)
    for one in found.standings:
        if one not in ranked:
            console.print(f"{one.name}: {one.reason}", highlight=False, markup=False, soft_wrap=True)
    for note in found.notes:
        console.print(note, highlight=False, markup=False)
    path = shlex.quote(found.folder)
    console.print(f"\n[bold]report[/]  {path}/report.html    [bold]all figures[/]  {path}/compare.json", soft_wrap=True)


def _qualities(found: Compared, ranked: list[Standing]) -> Table:
    seeds = f", means of {len(found.seeds)} seeds" if len(found.seeds) > 1 else ""
    heading = f"On {counted(found.rows, 'rows')} ({found.split}){seeds}, intervals in brackets{too_narrow(found.rows)}"
    table = Table(title=heading, title_justify="left")
    table.add_column("")
    table.add_column(title(found.metric), justify="right")
    table.add_column("behind the best", justify="right")
    for one in ranked:
        table.add_row(Text(one.name), *_figures(found, one))
    for one in found.baselines:
        if found.metric in one.metrics:
            table.add_row(Text(one.name, style="dim"), *_figures(found, one))
    return table


def _prices(ranked: list[Standing]) -> Table:
    heading = f"What they cost; {FRONT.strip()} is on the Pareto front of that cost. Forgetting: {FORGETTING}"
    table = Table(title=heading, title_justify="left")
    table.add_column("")
    for cost in COSTS.values():
        table.add_column(cost.name, justify="right")
    for one in ranked:
        table.add_row(Text(one.name), *map(_cell, paid(one)))
    return table


def _figures(found: Compared, one: Standing) -> tuple[str, Text]:
    figure = interval(found.metric, one.metrics[found.metric])
    size, between, words = apart(found, one)
    return figure, Text(" ".join(filter(None, (size, f"({between})" if between else "", words))))


def _cell(cost: Paid) -> str:
    aside = f" ({cost.aside})" if cost.aside else ""
    return f"{cost.text}{aside}{FRONT if cost.on_front else ''}"


def _called(candidate: str, seed: int) -> str:
    return f"{candidate}, seed {seed}"


def _left(seconds: float | None) -> str:
    """Of the whole comparison."""
    return "" if not seconds else f"about {duration(seconds)} left in all"
