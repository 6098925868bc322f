"""The page that compares two runs, from their records: which is better, how sure that is, and what was different.

It lies beside the first run's folder, so that neither run's own report is touched. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from affina.errors import Problem, RunError
from affina.record import journal
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.record.journal import Reading
from affina.reporting import curves, environment, formats
from affina.reporting.asked import differing
from affina.reporting.comparing import Comparison, compare, rows_of
from affina.reporting.gathered import Gathered, gather
from affina.reporting.paired import CONFIDENCE
from affina.reporting.run_charts import overlaid
from affina.reporting.verdict import TITLES, narrow

TEMPLATE: Final = "comparison.html.j2"
TAGS: Final = {
    "first": "A is better",
    "second": "B is better",
    "open": "Not settled",
    "void": TITLES["void"],
    "apart": "Not comparable",
}
TONES: Final = {"first": "better", "second": "better", "open": "open", "void": "void", "apart": "alone"}
SECTIONS: Final = (
    ("result", "Result"),
    ("scores", "Scores"),
    ("recipes", "Recipes"),
    ("curves", "Curves"),
    ("cost", "Cost"),
    ("facts", "Data and machine"),
    ("unmeasured", "Not measured"),
)
Facts = Callable[[Gathered], Iterable[tuple[str, str]]]
LONGEST_NAME: Final = 80
"""Characters of a run's name in the file's name."""


def path_of(first: Path, second: Path) -> Path:
    """Where the page of two runs lies: beside the first one's folder, named after both."""
    here, there = first.resolve(), second.resolve()
    return here.parent / f"{here.name[:LONGEST_NAME]}-vs-{there.name[:LONGEST_NAME]}.html"


def write(first: Path, second: Path) -> tuple[Path, Comparison]:
    """Make the page and put it beside the first run's folder, whole or not at all.

    Returns:
        The page's path, and what it says.

    Raises:
        RunError: a folder has no record, or a damaged one; or both are the same run.
    """
    readings = [journal.read_known(RunFolder(path).journal) for path in (first, second)]
    if first.resolve() == second.resolve():
        raise RunError(
            Problem(
                where=str(second),
                expected="another run than the first",
                found="the same folder twice",
                fix="name two run folders, or one for its report",
            )
        )
    names = f"A ({first.resolve().name})", f"B ({second.resolve().name})"
    html, found = render(*readings, names=names)
    path = path_of(first, second)
    write_text(path, html)
    return path, found


def render(first: Reading, second: Reading, *, names: tuple[str, str]) -> tuple[str, Comparison]:
    """The page as HTML, and what it says.

    Args:
        first: the first run's record.
        second: the other's.
        names: what the reader calls them.
    """
    runs = gather(first.records), gather(second.records)
    found = compare(*runs, names=names)
    remarks = [f"{who}: {text}" for who, one in zip(names, (first, second), strict=True) for text in one.remarks]
    html = (
        environment.html()
        .get_template(TEMPLATE)
        .render(
            title=f"{names[0]} against {names[1]}",
            names=names,
            sections=SECTIONS,
            found=found,
            tag=TAGS[found.outcome],
            tone=TONES[found.outcome],
            remarks=remarks,
            recipes=list(_recipes(*runs)),
            charts=overlaid(dict(zip(names, runs, strict=True))),
            frame=curves,
            costs=list(_rows(_cost, runs)),
            facts=list(_rows(_facts, runs)),
            confidence=f"{(runs[0].confidence or CONFIDENCE) * 100:g}% ",
            narrow=narrow(rows_of(found.lines[0])) if found.lines else "",
        )
    )
    return html, found


def _recipes(first: Gathered, second: Gathered) -> Iterator[tuple[str, str, str]]:
    """Where the resolved recipes differ; the run's own folder is no difference."""
    ours, theirs = (run.started[-1].resolved if run.started else {} for run in (first, second))
    for key, values in differing(ours, theirs).items():
        if key != "run":
            mine, other = ("not given" if value is None else formats.plain(value) for value in values)
            yield key, mine, other


def _rows(read: Facts, runs: Sequence[Gathered]) -> Iterator[tuple[str, str, str]]:
    """What `read` knows of either run, side by side."""
    ours, theirs = (dict(read(run)) for run in runs)
    for key in dict.fromkeys([*ours, *theirs]):
        yield key, ours.get(key, "not recorded"), theirs.get(key, "not recorded")


def _cost(run: Gathered) -> Iterator[tuple[str, str]]:
    if (end := run.finished) is None:
        yield "Finished", "no"
        return
    yield "Finished", "yes"
    if "total" in end.seconds:
        yield (
            "Time in all" if run.went_on_at is None else "Time since it went on",
            formats.duration(end.seconds["total"]),
        )
    yield "Peak memory", formats.mebibytes(end.peak_memory_bytes)
    yield "Steps trained", formats.number(end.steps)
    yield "Speed in training", f"{formats.number(end.rows_per_second)} rows/s"
    yield "Training ended by", end.stopped


def _facts(run: Gathered) -> Iterator[tuple[str, str]]:
    if run.model:
        yield "Base model", run.model.reference
        yield "Weights", formats.number(run.model.parameters)
        yield "Weights trained", formats.number(run.model.trained)
    if run.data:
        yield from ((f"{formats.capital(split)} rows", formats.number(rows)) for split, rows in run.data.rows.items())
        yield ("Task", run.task) if run.writes else ("Labels", formats.number(len(run.data.labels)))
        for number, (file, digest) in enumerate(run.data.files.items(), start=1):
            yield f"File {number}", f"{environment.basename(file)}, SHA-256 {digest[:12]}"
    if run.started:
        yield from ((package, version) for package, version in run.started[-1].versions.items())
        yield from ((formats.name(key), formats.plain(value)) for key, value in run.started[-1].machine.items())
