"""Does a run that is no better than a linear probe say so? Thirty runs with defaults: three small sets, ten seeds.

    python benchmarks/quality/thirty.py        # goes on where it stopped

Few rows are where fine-tuning is no better than a probe now and then. What a run says is its step back in the record;
what it reached stands beside it.
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
from affina.record.payloads import STEP_BACK, Event

OUT: Final = HERE.parent / "results" / "quality-thirty.json"
WHAT: Final = "thirty runs with defaults on few rows; benchmarks/quality/thirty.py"
SETS: Final = {"trec": 200, "emotion": 300, "banking77": 400}
"""Set to the rows that are drawn, of which a tenth is held out."""
SEEDS: Final = 10
JUDGED: Final = 500
"""Test rows: enough to tell a probe from a tuned model now and then, few enough for thirty runs."""


def main() -> None:
    """Run what is missing, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    data = parser.parse_args().data
    found = runs_of(OUT)
    done = {(run["set"], run["seed"]) for run in found}
    for seed in range(SEEDS):
        for name in SETS:
            if (name, seed) not in done:
                found.append(_run(name, seed, data))
                save(OUT, found, what=WHAT)
    low = [run for run in found if run["tuned"] <= run["probe"]]
    silent = [run for run in low if not run["step_back"]]
    print(f"{len(found)} runs, {len(low)} of them at or below the linear probe, {len(silent)} of these without a word")


def _run(name: str, seed: int, data: Path) -> dict[str, Any]:
    whole = sets.make(name, data, seed=0)
    train, held = sets.hold_out(sets.draw(whole.train, SETS[name], seed=seed))
    test = sets.draw(whole.test, min(JUDGED, len(whole.test)), seed=sets.HOLD_OUT_SEED)
    with tempfile.TemporaryDirectory() as folder:
        sets.write(sets.Splits(train, held, test), Path(folder))
        files = {part: f"{folder}/{part}.csv" for part in ("train", "validation", "test")}
        result = affina.train(
            {
                "seed": seed,
                "data": {**files, "text": "text", "label": "label"},
                "train": {"reuse": False},
                "run": f"{folder}/run",
            }
        )
        events = [record for record in journal.read(result.folder.journal) if isinstance(record, Event)]
    run = {
        "set": name,
        "seed": seed,
        "tuned": result.scores.metrics["accuracy"].value,
        "probe": result.baselines["linear_probe"].metrics["accuracy"].value,
        "majority": result.baselines["majority"].metrics["accuracy"].value,
        "step_back": next((event.text for event in events if event.name == STEP_BACK), None),
        "date": now(),
    }
    print(f"{name}, seed {seed}: {run['tuned']:.1%}, probe {run['probe']:.1%}, {run['step_back']}", flush=True)
    return run


if __name__ == "__main__":
    main()
