"""Whether overfitting is flagged where it is, and not elsewhere: runs on SST-2 from starter/encoder, seed by seed.

    python benchmarks/risks/overfitting.py                # 10 seeds of each kind
    python benchmarks/risks/overfitting.py --seeds 1      # a first look
    python benchmarks/risks/overfitting.py --table        # what there is

`heart` is 100 training rows, drawn anew for each seed, trained for 50 epochs and never stopped early; `healthy` is
2,000 rows at Affina's defaults. Both have the set's own validation rows, which judge, and choose the weights as in any
run (200 of them at each evaluation, all of them at the end); the test rows are not looked at. Each run is saved when it
ends; the same command goes on.
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
from affina.record import journal
from affina.record.payloads import Finished
from affina.record.risks import Probed

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quality"))
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the other benchmarks' own

OUT: Final = HERE.parent / "results" / "risks-overfitting.json"
WHAT: Final = "whether overfitting is flagged, on SST-2 from starter/encoder; benchmarks/risks/overfitting.py"
KINDS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "heart": (100, {"epochs": 50, "early_stopping": False}),
    "healthy": (2_000, {}),
}
"""Training rows, and what differs in `train`."""
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    for seed in range(0 if given.table else given.seeds):
        for kind in given.kinds:
            if not any((run["kind"], run["seed"]) == (kind, seed) for run in runs):
                runs.append(_run(kind, seed, given.data / "sst2"))
                save(given.out, runs, what=WHAT)
                print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


def recipe(kind: str, seed: int, data: Path, folder: Path) -> dict[str, Any]:
    """One run's recipe; its training rows are written into `folder`."""
    rows, train = KINDS[kind]
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    chosen = np.random.default_rng(seed).permutation(len(every))[:rows].tolist()
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(every[0]))
        writer.writeheader()
        writer.writerows(every[place] for place in chosen)
    return {
        "model": "starter/encoder",
        "seed": seed,
        "data": {"train": str(folder / "train.csv"), "validation": str(data / "dev.csv"), "test": "none"},
        "run": str(folder / "run"),
        "train": {"reuse": False, **train},
        "evaluate": {"baselines": False, "rows": 200},
    }


def _run(kind: str, seed: int, data: Path) -> Run:
    with tempfile.TemporaryDirectory() as name:
        started = time.process_time()
        result = affina.train(recipe(kind, seed, data, Path(name)))
        spent = time.process_time() - started
        records = journal.read(result.folder.journal)
    probed = {line.risk: line for line in records if isinstance(line, Probed)}
    seconds = next(line.seconds for line in records if isinstance(line, Finished))
    figures = {f"{one.metric}, {one.of}".rstrip(", "): one.found.value for one in probed["overfitting"].figures}
    return {
        "kind": kind,
        "seed": seed,
        "outcome": probed["overfitting"].outcome,
        "interval": [[one.found.low, one.found.high] for one in probed["overfitting"].figures[:1]],
        "figures": {key: round(value, 4) for key, value in figures.items()},
        "share_of_time": round(seconds["risks"] / seconds["total"], 4),
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each kind: how often it was flagged, what was lost elsewhere, and what the probes took."""
    yield "| runs | flagged | lost elsewhere, least to most | largest share of the time |"
    yield "|---|---:|---:|---:|"
    for kind, (rows, _) in KINDS.items():
        of_kind = [run for run in runs if run["kind"] == kind]
        if of_kind:
            lost = sorted(run["figures"]["lost_elsewhere"] for run in of_kind if "lost_elsewhere" in run["figures"])
            flagged = sum(run["outcome"] == "flagged" for run in of_kind)
            share = max(run["share_of_time"] for run in of_kind)
            span = f"{lost[0]:.1%} to {lost[-1]:.1%}" if lost else "nothing was learned"
            yield f"| {kind}, {rows:,} rows | {flagged} of {len(of_kind)} | {span} | {share:.1%} |"


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
