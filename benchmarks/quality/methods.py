"""Which method on how many rows: what `method: auto` chooses from. Whole runs of starter/encoder, each at its own rate.

    python benchmarks/quality/methods.py                       # goes on where it stopped
    python benchmarks/quality/methods.py --rows 100 --seeds 1  # a part of it
    python benchmarks/quality/methods.py --table               # what there is

Each run is what a user gets who writes nothing but the method. Judged are 1,000 test rows at most, the same for all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sets
from ledger import HERE, Run, commit, now, runs_of, save, words

import affina
from affina.record import journal
from affina.record.payloads import Finished

OUT: Final = HERE.parent / "results" / "quality-methods.json"
WHAT: Final = "methods by rows, starter/encoder at its defaults; benchmarks/quality/methods.py"
SETS: Final = ("trec", "emotion", "banking77")
METHODS: Final[dict[str, Any]] = {
    "full": "full",
    "embeddings frozen": {"name": "partial", "blocks": "all"},
    "upper half": {"name": "partial", "blocks": 3},
    "head": {"name": "partial", "blocks": 0},
    "lora": "lora",
}
ROWS: Final = (100, 500, 2_000)
LEAST: Final = {"banking77": 500}
"""Rows: of fewer, some of the 77 labels have none, and whoever holds those out is told so."""
JUDGED: Final = 1_000


def main() -> None:
    """Run what is missing, and show the table."""
    given = arguments(__doc__, out=OUT, methods=METHODS, rows=ROWS, seeds=2)
    runs = runs_of(given.out)
    done = {(run["set"], run["rows"], run["method"], run["seed"]) for run in runs}
    asked = [
        (name, rows, method, seed)
        for seed in range(given.seeds)
        for rows in given.rows
        for name in given.sets
        if rows >= LEAST.get(name, 0)
        for method in given.methods
    ]
    for one in asked if not given.table else ():
        if one not in done:
            runs.append(_run(*one, data=given.data))
            save(given.out, runs, what=WHAT)
            print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


def _run(name: str, rows: int, method: str, seed: int, *, data: Path) -> Run:
    whole = sets.make(name, data, seed=0)
    held = max(40, rows // 5)
    drawn = sets.draw([*whole.train, *whole.validation], rows + held, seed=seed)
    test = sets.draw(whole.test, min(JUDGED, len(whole.test)), seed=sets.HOLD_OUT_SEED)
    parts = sets.Splits(drawn[held:], drawn[:held], test)
    asked = {"set": name, "rows": rows, "method": method, "seed": seed}
    return asked | trained(parts, METHODS[method], seed=seed)


def trained(parts: sets.Splits, method: Any, *, seed: int, train: Mapping[str, Any] | None = None) -> Run:
    """One run of starter/encoder, and what it came to; `train`: what is not left to Affina."""
    with tempfile.TemporaryDirectory() as folder:
        sets.write(parts, Path(folder))
        files = {part: f"{folder}/{part}.csv" for part in sets.Splits._fields}
        started = time.process_time()
        result = affina.train(
            {
                "model": "starter/encoder",
                "seed": seed,
                "data": {**files, "text": "text", "label": "label"},
                "method": method,
                "train": {"reuse": False, **(train or {})},
                "evaluate": {"baselines": False, "resamples": 100},
                "risks": {"measure": "never"},
                "run": f"{folder}/run",
            }
        )
        spent = time.process_time() - started
        finished = next(one for one in journal.read(result.folder.journal) if isinstance(one, Finished))
    return {
        "accuracy": result.scores.metrics["accuracy"].value,
        "macro_f1": result.scores.metrics["macro_f1"].value,
        "stopped": finished.stopped,
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each number of rows and method: accuracy by set, means over seeds, and time beside full."""
    yield f"| rows | method | {' | '.join(SETS)} | mean | time, full = 1 |"
    yield f"|---:|---|{'---:|' * (len(SETS) + 2)}"
    for rows in sorted({run["rows"] for run in runs}):
        for method in METHODS:
            found = worth(runs, rows, method)
            if found is not None:
                means, took = found
                shown = " | ".join(f"{means[name]:.1%}" if name in means else "" for name in SETS)
                yield f"| {rows:,} | {method} | {shown} | {statistics.mean(means.values()):.1%} | {took:.2f} |"


def worth(runs: Sequence[Run], rows: int, method: str) -> tuple[dict[str, float], float] | None:
    """Set to the mean accuracy over seeds, and the mean time beside full; None where a set has no run.

    Args:
        runs: all there are.
        rows: of training.
        method: one of `METHODS`.
    """
    found = {
        name: [run for run in runs if (run["set"], run["rows"], run["method"]) == (name, rows, method)]
        for name in SETS
        if rows >= LEAST.get(name, 0)
    }
    if not all(found.values()):
        return None
    times = [
        run["cpu_seconds"] / full
        for of_set in found.values()
        for run in of_set
        if (full := _full(runs, run)) is not None
    ]
    means = {name: statistics.mean(run["accuracy"] for run in of_set) for name, of_set in found.items()}
    return means, statistics.mean(times) if times else float("nan")


def _full(runs: Sequence[Run], run: Run) -> float | None:
    """The processor seconds of full fine-tuning on the same rows."""
    same = ("set", "rows", "seed")
    of_full = [one for one in runs if one["method"] == "full" and all(one[key] == run[key] for key in same)]
    return of_full[0]["cpu_seconds"] if of_full else None


def arguments(
    doc: str | None, *, out: Path, methods: Iterable[str], rows: Iterable[int], seeds: int
) -> argparse.Namespace:
    """What is asked for of sets, methods, numbers of rows and seeds."""
    parser = words(doc, out=out)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=list(methods), default=list(methods))
    parser.add_argument("--rows", nargs="+", type=int, default=list(rows))
    parser.add_argument("--seeds", type=int, default=seeds)
    found: argparse.Namespace = parser.parse_args()
    return found


if __name__ == "__main__":
    main()
