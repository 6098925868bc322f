"""Is the rate that Affina finds within the flat top of a sweep? Whole runs of three sets and three methods.

    python benchmarks/quality/rates.py                     # goes on where it stopped
    python benchmarks/quality/rates.py --sets trec --methods head --factors 0.5 1 2

Each set is cut to so many training rows, and trained for so many epochs, that the run has some more than 500 steps: the
length from which a range test settles the rate. One run is left to Affina; the others are given its prior times the
factors. Judged are the test file and all training rows that were not trained on, a few thousand in all, which nothing
has been chosen on: a standard error of a share of 0.9 over 4,000 rows is 0.5 points.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import sets
from ledger import HERE, now, runs_of, save

import affina
from affina.record import journal
from affina.record.payloads import Chosen
from affina.record.starts import RangeTested

OUT: Final = HERE.parent / "results" / "quality-rates.json"
WHAT: Final = "whole runs at given rates and at the one that Affina finds; benchmarks/quality/rates.py"
SETS: Final = ("trec", "emotion", "banking77")
METHODS: Final[dict[str, Any]] = {
    "full": "full",
    "partial": "partial",
    "head": {"name": "partial", "blocks": 0},
}
FACTORS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
ROWS: Final = 2_000
EPOCHS: Final = 9
"""With about 32 rows in a batch some 560 steps."""
HELD_OUT: Final = 300
ROUNDING: Final = 4


def main() -> None:
    """Run what is missing, and say what the rate cost against the best of the sweep."""
    given = _arguments()
    found = runs_of(OUT)
    for name in given.sets:
        for method in given.methods:
            _sweep(name, method, given, found)
            _tell(name, method, found)


def _sweep(name: str, method: str, given: argparse.Namespace, found: list[dict[str, Any]]) -> None:
    own = [run for run in found if (run["set"], run["method"]) == (name, method)]
    if not any(run["factor"] is None for run in own):
        own.append(_run(name, method, given.data, factor=None, prior=None))
        _save(found, own[-1])
    prior = next(run["prior"] for run in own if run["factor"] is None)
    for factor in given.factors:
        if not any(run["factor"] == factor for run in own):
            _save(found, _run(name, method, given.data, factor=factor, prior=prior))


def _run(name: str, method: str, data: Path, *, factor: float | None, prior: float | None) -> dict[str, Any]:
    splits = _cut(name, data)
    with tempfile.TemporaryDirectory() as folder:
        sets.write(splits, Path(folder))
        rate = {} if factor is None or prior is None else {"learning_rate": round(factor * prior, 8)}
        files = {part: f"{folder}/{part}.csv" for part in ("train", "validation", "test")}
        result = affina.train(
            {
                "data": {**files, "text": "text", "label": "label"},
                "method": METHODS[method],
                "train": {"epochs": EPOCHS, "early_stopping": False, "reuse": False, **rate},
                "evaluate": {"baselines": False, "resamples": 100},
                "risks": {"measure": "never"},
                "run": f"{folder}/run",
            }
        )
        records = journal.read(result.folder.journal)
    chosen = {record.key: record for record in records if isinstance(record, Chosen)}
    tested = next((record for record in records if isinstance(record, RangeTested)), None)
    steps = max(getattr(record, "step", 0) or 0 for record in records)
    run = {
        "set": name,
        "method": method,
        "factor": factor,
        "rate": rate.get("learning_rate") or float(chosen["train.learning_rate"].value),
        "accuracy": result.scores.metrics["accuracy"].value,
        "judged": result.scores.metrics["accuracy"].n,
        "steps": steps,
        "date": now(),
    }
    if factor is None:
        run |= {"prior": _prior(tested, chosen), "found": None if tested is None else tested.rate}
    print(f"{name} {method} {run['rate']:.2g}: {run['accuracy']:.2%} of {run['judged']:,}", flush=True)
    return run


def _prior(tested: RangeTested | None, chosen: dict[str, Chosen]) -> float:
    """The middle of the test's ramp: it runs from the prior over 10 to the prior times 30."""
    return float(chosen["train.learning_rate"].value) if tested is None else tested.rates[0] * 10


def _cut(name: str, data: Path) -> sets.Splits:
    """The rows that are trained on; all that are left are judged with the test file's."""
    whole = sets.make(name, data, seed=0)
    pool = [*whole.train, *whole.validation]
    drawn = sets.draw(pool, ROWS + HELD_OUT, seed=sets.HOLD_OUT_SEED)
    used = set(drawn)
    unseen = [row for row in pool if row not in used]
    return sets.Splits(drawn[:ROWS], drawn[ROWS:], [*whole.test, *unseen])


def _save(found: list[dict[str, Any]], run: dict[str, Any]) -> None:
    found.append(run)
    save(OUT, found, what=WHAT)


def _tell(name: str, method: str, found: list[dict[str, Any]]) -> None:
    own = [run for run in found if (run["set"], run["method"]) == (name, method)]
    best = max((run for run in own if run["factor"] is not None), key=lambda run: run["accuracy"])
    ours = next(run for run in own if run["factor"] is None)
    lost = round(100 * (best["accuracy"] - ours["accuracy"]), ROUNDING)
    print(f"{name} {method}: {ours['rate']:.2g} loses {lost:.2f} points against {best['rate']:.2g}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument("--factors", nargs="+", type=float, default=list(FACTORS), help="of the prior")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    return parser.parse_args()


if __name__ == "__main__":
    main()
