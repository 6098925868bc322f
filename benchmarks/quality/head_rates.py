"""At which rate a new head learns with each method: whole runs of starter/encoder on few rows.

    python benchmarks/quality/head_rates.py                    # goes on where it stopped
    python benchmarks/quality/head_rates.py --methods lora --rows 100
    python benchmarks/quality/head_rates.py --table            # what there is

Each run is what a user gets who writes the method and `train.head_learning_rate`. Judged are rows of the training files
that no run learns, chooses by or reports on: nothing here looks at a test file.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import sets
from ledger import HERE, Run, runs_of, save

import methods

OUT: Final = HERE.parent / "results" / "quality-head-rates.json"
WHAT: Final = "rates of a new head by method, starter/encoder; benchmarks/quality/head_rates.py"
METHODS: Final = {name: methods.METHODS.get(name, name) for name in ("lora", "prefix", "prompt", "head", "full")}
ROWS: Final = (100, 500)
RATES: Final = (1e-4, 3e-4, 1e-3, 3e-3)
JUDGED: Final = 1_000


def main() -> None:
    """Run what is missing, and show the table."""
    given = methods.arguments(__doc__, out=OUT, methods=METHODS, rows=ROWS, seeds=1)
    runs = runs_of(given.out)
    done = {(run["set"], run["rows"], run["method"], run["rate"], run["seed"]) for run in runs}
    asked = [
        (name, rows, method, rate, seed)
        for seed in range(given.seeds)
        for method in given.methods
        for rows in given.rows
        for name in given.sets
        for rate in RATES
    ]
    for one in asked if not given.table else ():
        if one not in done:
            runs.append(_run(*one, data=given.data))
            save(given.out, runs, what=WHAT)
            print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


def _run(name: str, rows: int, method: str, rate: float, seed: int, *, data: Path) -> Run:
    whole = sets.make(name, data, seed=0)
    held = max(40, rows // 5)
    drawn = sets.draw([*whole.train, *whole.validation], rows + held + JUDGED, seed=seed)
    # the first rows have one of each label, and go to the training
    parts = sets.Splits(drawn[:rows], drawn[rows : rows + held], drawn[rows + held :])
    known = {row.label for row in parts.train}
    kept = sets.Splits(parts.train, *([row for row in part if row.label in known] for part in parts[1:]))
    asked = {"set": name, "rows": rows, "method": method, "rate": rate, "seed": seed}
    return asked | methods.trained(kept, METHODS[method], seed=seed, train={"head_learning_rate": rate})


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each method, number of rows and set: accuracy by the head's rate, means over the seeds."""
    yield f"| method | rows | set | {' | '.join(map(str, RATES))} |"
    yield f"|---|---:|---|{'---:|' * len(RATES)}"
    for method, rows, name in sorted({(run["method"], run["rows"], run["set"]) for run in runs}):
        cells = []
        for rate in RATES:
            kind = (method, rows, name, rate)
            some = [run for run in runs if (run["method"], run["rows"], run["set"], run["rate"]) == kind]
            cells.append(f"{statistics.mean(run['accuracy'] for run in some):.1%}" if some else "")
        yield f"| {method} | {rows} | {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
