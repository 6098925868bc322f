"""All methods on 2,000 rows of Banking77, with its own test file, as one command.

From the project's root, with the data sets beside it; the same command goes on where it was stopped:

    python benchmarks/compare/banking77.py --data ../shared/data --seeds 3

Rows and runs go to `--folder`; when all is done, compare.json and the page are copied to benchmarks/results.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))

from sets import COLUMNS, SETS, Row, draw

import affina
from affina.comparing.happenings import Happening, Noticed, Over
from affina.reporting.formats import duration

METHODS = ("full", "partial", "lora", "prefix", "prompt")
ROWS = 2_000
ROWS_SEED = 0
RESULTS = Path(__file__).parents[1] / "results"
KEPT = "compare-banking77"


def main() -> None:
    """Write the rows, compare, and keep the result."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    words.add_argument("--folder", type=Path, default=Path("runs/banking77-2000"), help="for the rows and the runs")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--rows", type=int, default=ROWS, help="fewer, for a trial of the benchmark itself")
    words.add_argument("--results", type=Path, default=RESULTS, help="where the result is kept")
    words.add_argument("keys", nargs="*", help="recipe keys, as key=value")
    given = words.parse_args()
    train, test = write_rows(given.data, given.folder, count=given.rows)
    found = affina.compare(
        train,
        [
            f"data.test={test}",
            "model=starter/encoder",
            "train.reuse=false",
            f"run={given.folder / 'compare'}",
            *given.keys,
        ],
        methods=METHODS,
        seeds=given.seeds,
        watch=say,
    )
    for one in found.standings:
        print(one.name, one.state, one.by_seed, one.costs, one.reason)
    given.results.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(found.folder, "compare.json"), given.results / f"{KEPT}.json")
    shutil.copy(Path(found.folder, "report.html"), given.results / f"{KEPT}.html")
    sys.exit(found.exit_status)


def write_rows(data: Path, folder: Path, *, count: int) -> tuple[str, str]:
    """`count` training rows, each label among them, and the whole test file; returns both paths."""
    train, _, test = SETS["banking77"](data)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.csv", folder / "test.csv"
    for path, rows in zip(paths, (draw(train, count, seed=ROWS_SEED), test), strict=True):
        write(path, rows)
    return str(paths[0]), str(paths[1])


def write(path: Path, rows: list[Row]) -> None:
    """A CSV of texts and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([COLUMNS, *rows])


def say(happening: Happening) -> None:
    """A line for each run that is over."""
    if isinstance(happening, Over):
        left = "" if happening.left is None else f", about {duration(happening.left)} left"
        print(f"{happening.run.folder}: {happening.run.state} {happening.run.reason}{left}", flush=True)
    elif isinstance(happening, Noticed):
        print(happening.text, flush=True)


if __name__ == "__main__":
    main()
