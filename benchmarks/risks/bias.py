"""Whether a planted bias is found, and what swap augmentation does to it: runs on SST from starter/encoder.

    python benchmarks/risks/bias.py                                     # a clean set and three strengths, 20 seeds
    python benchmarks/risks/bias.py --strengths 0.9 --seeds 1           # a first look
    python benchmarks/risks/bias.py --labels 5 --strengths 0 --ways plain   # a clean set of five labels
    python benchmarks/risks/bias.py --tied all --ways plain --strengths 0.9 --seeds 6   # validation rows, too
    python benchmarks/risks/bias.py --table                             # what there is

Each row gets a given name in front, "Mary : a stirring , funny film"; in training rows its gender agrees with the label
(a woman's with the better half) in 0.5 + strength / 2 of them, in validation and test rows it has nothing to do with
it; with `--tied all` validation rows are as the training rows, as those are that are held out of one file. `plain` is a
run at Affina's defaults, `swapped` the same with `data.swap_terms: true`. Kept are the flip rate of the tuned model and
of the linear probe on the untouched one, the accuracy on the test rows, and whether the audit found the association.
Each run is saved when it ends; the same command goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
STRENGTHS: Final = (0.0, 0.3, 0.6, 0.9)
"""Of 0 is the clean set, which nothing should accuse."""
WAYS: Final = ("plain", "swapped")
MEN: Final = ("James", "John", "Robert", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Charles")
WOMEN: Final = ("Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Karen", "Nancy")
KEYS: Final = ("labels", "strength", "seed", "way", "tied")
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    wanted = [
        (given.labels, strength, seed, way, given.tied)
        for way in given.ways
        for seed in range(0 if given.table else given.seeds)
        for strength in given.strengths
    ]
    for kind in wanted:
        if not any(tuple(run[key] for key in KEYS) == kind for run in runs):
            runs.append(_run(dict(zip(KEYS, kind, strict=True)), given))
            save(given.out, runs, what=WHAT)
            print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


@dataclass(frozen=True)
class LabelSet:
    """One of the two sets: how its files' names begin, and which labels a woman's name agrees with, or either does."""

    begin: str
    better: frozenset[str]
    between: frozenset[str] = frozenset()


SETS: Final = {2: LabelSet("", frozenset("1")), 5: LabelSet("sst5_", frozenset("34"), frozenset("2"))}
"""By the number of labels."""


def plant(of_set: LabelSet, source: Path, target: Path, *, rows: int, strength: float, seed: int) -> None:
    """Write rows of the set's file of the same name, with names that agree with their labels as often as that."""
    with (source / f"{of_set.begin}{target.name}").open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    draw = np.random.default_rng(seed)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for place in draw.permutation(len(every))[:rows].tolist():
            agrees = draw.random() < 0.5 + strength / 2
            label = every[place]["label"]
            better = draw.random() < 0.5 if label in of_set.between else label in of_set.better
            woman = better == agrees
            name = (WOMEN if woman else MEN)[int(draw.integers(len(MEN)))]
            writer.writerow([f"{name} : {every[place]['text']}", label])


def _run(kind: Run, given: argparse.Namespace) -> Run:
    strength, seed = kind["strength"], kind["seed"]
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), given.data / "sst2"
        parts = {"train": given.rows, "dev": given.held_out, "test": 2 * given.held_out}
        for place, (part, rows) in enumerate(parts.items()):
            tie = strength if part in TIED[kind["tied"]] else 0.0
            target, drawn_by = folder / f"{part}.csv", place * 1_000 + seed
            plant(SETS[kind["labels"]], data, target, rows=rows, strength=tie, seed=drawn_by)
        files = {name: str(folder / f"{file}.csv") for name, file in FILES.items()}
        recipe = {
            "model": "starter/encoder",
            "seed": seed,
            "data": {**files, "swap_terms": kind["way"] == "swapped"},
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
        **kind,
        "rows": given.rows,
        "outcome": swaps.outcome,
        "said": swaps.said,
        "flip_rate": [round(part, 4) for part in (flips[TUNED].value, flips[TUNED].low, flips[TUNED].high)],
        "flip_rate_untouched": round(flips[UNTOUCHED].value, 4),
        "accuracy": round(result.scores.metrics["accuracy"].value, 4),
        "seen_before": any(finding.name == TERMS for finding in found),
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


TIED: Final = {"train": ("train",), "all": ("train", "dev")}
FILES: Final = {"train": "train", "validation": "dev", "test": "test"}


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each strength and way: means over the seeds."""
    yield "| labels, strength, tied | rows | seeds | seen before | flips before | flips after | flagged | accuracy |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for kind in sorted({tuple(run[key] for key in ("labels", "strength", "tied")) for run in runs}):
        labels, strength, tied = kind
        for way in WAYS:
            same = (labels, strength, way, tied)
            some = [run for run in runs if tuple(run[key] for key in ("labels", "strength", "way", "tied")) == same]
            if some:
                seen, flagged = (sum(found) for found in zip(*map(_counted, some), strict=True))
                untouched = np.mean([run["flip_rate_untouched"] for run in some])
                flips, right = (np.mean([part(run) for run in some]) for part in (_flips, _right))
                found = f"{len(some)} | {seen} | {untouched:.1%} | {flips:.1%} | {flagged} | {right:.1%}"
                yield f"| {labels}, {strength:g}, {tied} | {way} | {found} |"


def _counted(run: Run) -> tuple[bool, bool]:
    return run["seen_before"], run["outcome"] == "flagged"


def _flips(run: Run) -> float:
    return float(run["flip_rate"][0])


def _right(run: Run) -> float:
    return float(run["accuracy"])


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--labels", type=int, choices=SETS, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--tied", choices=TIED, default="train", help="whose names go by the label")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=600, help="of training")
    parser.add_argument("--held-out", type=int, default=200, help="validation rows; twice as many test rows")
    parser.add_argument("--epochs", type=float, help="Affina's own choice where it is left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
