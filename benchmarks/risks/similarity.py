"""What an encoder's probe of forgetting foretells: runs of starter/encoder, each with two probes.

    python benchmarks/risks/similarity.py              # goes on where it stopped
    python benchmarks/risks/similarity.py --table      # what there is

Each run learns one set. The data-free probe (1 minus the correlation of the similarities of general sentences) is held
against what it stands for: the share of another set's rows that a linear probe on the model's features told right
before the training and no longer does. The table says how much of that goes with which change, and how the two rank.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import spearmanr

import affina
from affina.record import journal
from affina.record.risks import Probed

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quality"))
import sets  # noqa: E402 - the other benchmarks' own
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the same

OUT: Final = HERE.parent / "results" / "risks-similarity.json"
WHAT: Final = "an encoder's probe of forgetting beside what is lost of another set; benchmarks/risks/similarity.py"
LEARNED: Final = {"banking77": "trec", "trec": "sst2", "emotion": "trec"}
"""A set to the one that is asked about before and after."""
ROWS: Final = 600
HELD_OUT: Final = 200
ASKED: Final = 600
"""Rows of the other set."""
UPPER: Final = {"name": "partial", "blocks": 3}
KEYS: Final = ("set", "way")
EDGES: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
Run = dict[str, Any]


def _ways() -> dict[str, dict[str, Any]]:
    """Name to what differs in the recipe."""
    found: dict[str, dict[str, Any]] = {}
    for rate in (2e-5, 1e-4, 4e-4):
        found[f"full {rate:g}"] = {"method": "full", "train": {"learning_rate": rate}}
    for rate in (1e-4, 1e-3):
        found[f"upper half {rate:g}"] = {"method": UPPER, "train": {"learning_rate": rate}}
    for rate in (2e-4, 1e-3, 5e-3):
        found[f"lora {rate:g}"] = {"method": "lora", "train": {"learning_rate": rate}}
    found["l2-sp 0.0001"] = {"method": "full", "train": {"learning_rate": 1e-4, "l2_sp": 1.0}}
    return found


WAYS: Final = _ways()


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    for learned in given.sets if not given.table else ():
        for way in WAYS:
            if not any(tuple(run[key] for key in KEYS) == (learned, way) for run in runs):
                runs.append(_run(learned, way, given.data, rows=given.rows))
                save(given.out, runs, what=WHAT)
                print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))


def _run(learned: str, way: str, data: Path, *, rows: int) -> Run:
    whole, other = sets.make(learned, data, seed=0), sets.make(LEARNED[learned], data, seed=0)
    drawn = sets.draw(whole.train, rows + HELD_OUT, seed=0)
    asked = sets.draw(other.train, ASKED, seed=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets.write(sets.Splits(drawn[HELD_OUT:], drawn[:HELD_OUT], asked), folder)
        started = time.process_time()
        result = affina.train(_recipe(way, folder))
        spent = time.process_time() - started
        records = journal.read(result.folder.journal)
    probed = {line.figures[0].metric: line for line in records if isinstance(line, Probed) and line.figures}
    moved, lost = (probed[metric].figures[0].found for metric in ("similarity_change", "earlier_lost"))
    return {
        "set": learned,
        "other": LEARNED[learned],
        "way": way,
        "score": round(result.scores.metrics["accuracy"].value, 4),
        "moved": [round(part, 5) for part in (moved.value, moved.low, moved.high)],
        "lost": [round(part, 4) for part in (lost.value, lost.low, lost.high)],
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


def _recipe(way: str, folder: Path) -> dict[str, Any]:
    asked = WAYS[way]
    return {
        "model": "starter/encoder",
        "seed": 0,
        "data": {"train": str(folder / "train.csv"), "validation": str(folder / "validation.csv"), "test": "none"},
        "run": str(folder / "run"),
        "method": asked["method"],
        "train": {"reuse": False, **asked["train"]},
        "evaluate": {"baselines": False, "resamples": 100},
        "risks": {"measure": "always", "forgetting": {"earlier": str(folder / "test.csv")}},
    }


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each run, what is lost by how far the similarities moved, and the rank correlations."""
    yield "| learned | asked | way | accuracy | similarities moved | rows lost |"
    yield "|---|---|---|---:|---:|---:|"
    for run in runs:
        told = f"{run['score']:.1%} | {run['moved'][0]:.3f} | {run['lost'][0]:.1%}"
        yield f"| {run['set']} | {run['other']} | {run['way']} | {told} |"
    yield ""
    for least, most in zip((0.0, *EDGES), (*EDGES, 2.0), strict=True):
        lost = [run["lost"][0] for run in runs if least <= run["moved"][0] < most]
        if lost:
            told = f"lost {min(lost):.1%} to {max(lost):.1%}, mean {np.mean(lost):.1%}"
            yield f"moved {least:g} to {most:g}: {len(lost)} runs, {told}"
    for learned in LEARNED:
        some = [run for run in runs if run["set"] == learned]
        if len(some) > 2:
            rank = spearmanr([run["moved"][0] for run in some], [run["lost"][0] for run in some]).statistic
            yield f"{learned}: rank correlation {rank:.2f} over {len(some)} runs"


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--sets", nargs="+", choices=list(LEARNED), default=list(LEARNED))
    parser.add_argument("--rows", type=int, default=ROWS, help="of training; fewer for a trial of the benchmark")
    return parser.parse_args()


if __name__ == "__main__":
    main()
