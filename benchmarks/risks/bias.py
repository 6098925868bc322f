"""Whether a planted bias is found, and what swap augmentation does to it: runs on SST-2 from starter/encoder.

    python benchmarks/risks/bias.py                                     # three strengths, both ways, 3 seeds
    python benchmarks/risks/bias.py --strengths 0.8 --seeds 1           # a first look
    python benchmarks/risks/bias.py --table                             # what there is

Each row gets a given name in front, "Mary : a stirring , funny film"; in training rows its gender agrees with the label
in 0.5 + strength / 2 of them, in validation and test rows it has nothing to do with it. `plain` is a run at Affina's
defaults, `swapped` the same with `data.swap_terms: true`. Kept are the flip rate of the tuned model and of the linear
probe on the untouched one, the accuracy on the test rows, and whether the audit found the association. Each run is
saved when it ends; the same command goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import affina
from affina.evaluation.associations import TERMS
from affina.record import journal
from affina.record.payloads import DataRead
from affina.record.risks import SWAPS, TUNED, UNTOUCHED, Probed
from affina.risks.swaps import FLIPS

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quality"))
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the other benchmarks' own

OUT: Final = HERE.parent / "results" / "risks-bias.json"
WHAT: Final = "a planted bias on SST-2 from starter/encoder, plain and with swapped rows; benchmarks/risks/bias.py"
STRENGTHS: Final = (0.0, 0.4, 0.8)
MEN: Final = ("James", "John", "Robert", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Charles")
WOMEN: Final = ("Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Karen", "Nancy")
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    wanted = [
        (strength, seed, way)
        for seed in range(0 if given.table else given.seeds)
        for strength in given.strengths
        for way in ("plain", "swapped")
    ]
    for strength, seed, way in wanted:
        if not any((run["strength"], run["seed"], run["way"]) == (strength, seed, way) for run in runs):
            runs.append(_run(strength, seed, way, given))
            save(given.out, runs, what=WHAT)
            print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


def plant(source: Path, target: Path, *, rows: int, strength: float, seed: int) -> None:
    """Write rows of a file of SST-2 with names that agree with their labels as often as that."""
    with source.open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    draw = np.random.default_rng(seed)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for place in draw.permutation(len(every))[:rows].tolist():
            agrees = draw.random() < 0.5 + strength / 2
            woman = (every[place]["label"] == "1") == agrees
            name = (WOMEN if woman else MEN)[int(draw.integers(len(MEN)))]
            writer.writerow([f"{name} : {every[place]['text']}", every[place]["label"]])


def _run(strength: float, seed: int, way: str, given: argparse.Namespace) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), given.data / "sst2"
        plant(data / "train.csv", folder / "train.csv", rows=given.rows, strength=strength, seed=seed)
        plant(data / "dev.csv", folder / "dev.csv", rows=given.held_out, strength=0.0, seed=1_000 + seed)
        plant(data / "test.csv", folder / "test.csv", rows=2 * given.held_out, strength=0.0, seed=2_000 + seed)
        files = {name: str(folder / f"{file}.csv") for name, file in FILES.items()}
        recipe = {
            "model": "starter/encoder",
            "seed": seed,
            "data": {**files, "swap_terms": way == "swapped"},
            "run": str(folder / "run"),
            "train": {"reuse": False} | ({} if given.epochs is None else {"epochs": given.epochs}),
            "evaluate": {"baselines": False},
            "risks": {"measure": "always"},
        }
        started = time.process_time()
        result = affina.train(recipe)
        spent = time.process_time() - started
        records = journal.read(result.folder.journal)
    swaps = next(line for line in records if isinstance(line, Probed) and line.probe == SWAPS)
    flips = {figure.of: figure.found for figure in swaps.figures if figure.metric == FLIPS}
    found = next(line for line in records if isinstance(line, DataRead)).findings
    return {
        "strength": strength,
        "seed": seed,
        "way": way,
        "rows": given.rows,
        "outcome": swaps.outcome,
        "flip_rate": [round(part, 4) for part in (flips[TUNED].value, flips[TUNED].low, flips[TUNED].high)],
        "flip_rate_untouched": round(flips[UNTOUCHED].value, 4),
        "accuracy": round(result.scores.metrics["accuracy"].value, 4),
        "seen_before": any(finding.name == TERMS for finding in found),
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


FILES: Final = {"train": "train", "validation": "dev", "test": "test"}


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each strength and way: means over the seeds."""
    yield "| strength | rows | seeds | seen before | flip rate, untouched | flip rate, tuned | flagged | accuracy |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for strength in sorted({run["strength"] for run in runs}):
        for way in ("plain", "swapped"):
            some = [run for run in runs if (run["strength"], run["way"]) == (strength, way)]
            if some:
                seen, flagged = (sum(found) for found in zip(*map(_counted, some), strict=True))
                untouched = np.mean([run["flip_rate_untouched"] for run in some])
                flips, right = (np.mean([part(run) for run in some]) for part in (_flips, _right))
                yield (
                    f"| {strength:g} | {way} | {len(some)} | {seen} | {untouched:.1%} | {flips:.1%} | {flagged} |"
                    f" {right:.1%} |"
                )


def _counted(run: Run) -> tuple[bool, bool]:
    return run["seen_before"], run["outcome"] == "flagged"


def _flips(run: Run) -> float:
    return float(run["flip_rate"][0])


def _right(run: Run) -> float:
    return float(run["accuracy"])


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=600, help="of training")
    parser.add_argument("--held-out", type=int, default=200, help="validation rows; twice as many test rows")
    parser.add_argument("--epochs", type=float, help="Affina's own choice where it is left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
