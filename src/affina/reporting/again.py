"""The commands that make a run, its figures and its pages again, word for word.

Paths are those of the record: a run's folder as it was named, seen from where its training was started.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from affina.reporting.gathered import Gathered


@dataclass(frozen=True, slots=True)
class Command:
    """A line to type, and what comes of it."""

    line: str
    what: str


def run_path(run: Gathered, *, title: str) -> str:
    """The run folder as the recipe names it; `runs/TITLE` where it was left to Affina."""
    asked = run.started[-1].asked.get("run") if run.started else None
    return asked if isinstance(asked, str) and asked != "auto" else f"runs/{title}"


def commands(run: Gathered, *, title: str) -> list[Command]:
    """Training again, measuring, predicting, and writing the pages again."""
    path = run_path(run, title=title)
    folder, recipe, other = (shlex.quote(word) for word in (path, f"{path}/recipe.yaml", f"run={path}-again"))
    if run.finished is None:
        return [Command(f"affina train {recipe} run={folder}", "goes on where this run stopped")]
    use = [
        Command(f"affina evaluate {folder} FILE", "measures the model on labelled rows of yours"),
        Command(f"affina predict {folder} FILE", "applies it"),
    ]
    return [
        Command(f"affina train {recipe} {other}", "trains it again, in a folder of its own"),
        Command(f"affina report {folder} {shlex.quote(path + '-again')}", "compares the two"),
        *(use if run.within_budgets is not False else ()),
        Command(f"affina report {folder}", "writes this page and card.md again, without the model"),
    ]
