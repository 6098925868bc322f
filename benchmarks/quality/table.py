"""The table of the results, in Markdown, between two markers in the README.

python benchmarks/quality/table.py            # write it
python benchmarks/quality/table.py --check    # exit 1 where the README says something else
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ledger import runs_of
from readme import write_table

from plan import GRID, best_of_grid

HERE: Final = Path(__file__).parent
RESULT: Final = HERE.parent / "results" / "quality.json"
NAME: Final = "quality"
NONE: Final = "\N{EN DASH}"
NOT_MEASURED: Final = "Not measured yet."
HEAD: Final = (
    "| set | rows | Affina (min-max) | linear probe | `Trainer` defaults | `Trainer` best rate | SetFit "
    "| gain |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|"
)
CAPPED: Final = "\\* SetFit cut short: {steps:,} of the {planned:,} steps of its defaults.\n"
Run = Mapping[str, Any]
Runs = dict[int, Run]
"""Seed to run."""


def main() -> int:
    """Write the table into the README, or compare."""

    def made(result: Path) -> str:
        return table(runs_of(result))

    return write_table(__doc__, name=NAME, result=RESULT, made=made, command="python benchmarks/quality/table.py")


def table(runs: Iterable[Run]) -> str:
    """A line for each set of which a run finished, in the order of their names, and what the table does not show."""
    groups: dict[tuple[str, int | None], list[Run]] = {}
    for run in runs:
        if run["status"] == "done":
            groups.setdefault((run["set"], run["cut"]), []).append(run)
    if not groups:
        return NOT_MEASURED
    ordered = sorted(groups.items(), key=lambda item: (item[0][0].split("-")[0], item[1][0]["rows"]["train"]))
    lines = "\n".join(_line(name, cut, found) for (name, cut), found in ordered)
    return f"{HEAD}\n{lines}\n\n{_below([run for _, found in ordered for run in found])}".rstrip()


def _line(name: str, cut: int | None, runs: Sequence[Run]) -> str:
    affina, defaults, setfit = (_by_seed(runs, who) for who in ("affina", "trainer", "setfit"))
    grid = best_grid(runs)
    cells = (
        name if cut is None else f"{name}, cut to {cut:,}",
        f"{runs[0]['rows']['train']:,}",
        _mean(affina, spread=True),
        _mean(affina, figure="linear_probe"),
        _mean(defaults, spread=True),
        _mean(grid) + _rate(grid, runs),
        _mean(setfit) + ("\\*" if any(run["capped"] for run in setfit.values()) else ""),
        _gain(affina, [defaults, grid]),
    )
    return f"| {' | '.join(cells)} |"


def best_grid(runs: Iterable[Run]) -> Runs:
    """The grid's runs, by seed, of the rate that was chosen: best validation accuracy at seed 0, then lower loss."""
    found = [run for run in runs if run["setting"] == "grid"]
    best = best_of_grid(run for run in found if run["seed"] == 0)
    return {run["seed"]: run for run in found if run["learning_rate"] == best}


def _rate(grid: Runs, runs: Iterable[Run]) -> str:
    """The chosen learning rate, and of how many where not all of the grid finished."""
    if not grid:
        return ""
    tried = {run["learning_rate"] for run in runs if run["setting"] == "grid" and run["seed"] == 0}
    rate = f"{next(iter(grid.values()))['learning_rate']:.0e}".replace("e-0", "e-")
    return f" ({rate})" if tried == set(GRID) else f" ({rate}, of {len(tried)})"


def _by_seed(runs: Iterable[Run], contender: str) -> Runs:
    return {run["seed"]: run for run in runs if run["contender"] == contender and run["setting"] == "defaults"}


def _mean(runs: Runs, *, figure: str = "accuracy", spread: bool = False) -> str:
    """The mean in percent, with the least and the largest where there are several."""
    values = [100 * run[figure] for run in runs.values()]
    if not values:
        return NONE
    between = f" ({min(values):.1f}-{max(values):.1f})" if spread and len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{between}"


def _gain(affina: Runs, rivals: Iterable[Runs]) -> str:
    """Points above the better of the rivals, on the seeds that both have."""
    there = [rival for rival in rivals if rival]
    if not there or not affina:
        return NONE
    better = max(there, key=lambda rival: statistics.fmean(run["accuracy"] for run in rival.values()))
    pairs = [(run["accuracy"], better[seed]["accuracy"]) for seed, run in affina.items() if seed in better]
    return f"{100 * statistics.fmean(ours - theirs for ours, theirs in pairs):+.1f}" if pairs else NONE


def _below(runs: Sequence[Run]) -> str:
    affina = [run for run in runs if run["contender"] == "affina"]
    low = [run for run in affina if run["at_or_below_probe"]]
    said = f"; the verdict said so in {sum(run['says_so'] for run in low)} of them" if low else ""
    capped = sorted({(run["steps"], run["steps_of_defaults"]) for run in runs if run.get("capped")})
    marks = "".join(CAPPED.format(steps=steps, planned=planned) for steps, planned in capped)
    probe = f"Affina's runs that ended at or below their linear probe: {len(low)} of {len(affina)}{said}."
    seeds = ", ".join(str(seed) for seed in sorted({run["seed"] for run in affina}))
    return f"{marks}{probe} Affina was run with the seeds: {seeds or NONE}."


if __name__ == "__main__":
    sys.exit(main())
