"""Affina against transformers' Trainer: same model, rows, epochs and machine, interleaved, in one run.

    python benchmarks/speed/classification.py --rows 2000 --epochs 1 --repeats 3

Three comparisons: Affina's defaults with `Trainer` at its defaults and at its best setting, and full fine-tuning with
the latter, where both train the same tensors. Needs the data sets' folder in AFFINA_DATA. Writes
benchmarks/results/speed-classification.json: rows per second (whole training stage, evaluations and checkpoints
included on our side, none on the peer's), peak memory, and the ratio of each pair.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from affina.models.source import locate

HERE = Path(__file__).parent
PAIRS = {
    "defaults against defaults": ("affina, defaults", "trainer, defaults"),
    "same tensors, against the best setting": ("affina, full", "trainer, best setting"),
    "defaults against the best setting": ("affina, defaults", "trainer, best setting"),
}
DATA = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "banking77" / "train.csv"
RESULT = HERE.parent / "results" / "speed-classification.json"


def main() -> None:
    """Run the pairs and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        train, validation = split_rows(DATA, Path(folder), rows=given.rows)
        shared = [
            "--model",
            str(locate("starter/encoder").folder),
            "--train",
            str(train),
            "--epochs",
            str(given.epochs),
        ]
        for number in range(given.repeats):
            rounds.append(_round(shared, validation))
            print(f"round {number + 1}:", json.dumps(rounds[-1]), flush=True)
    compared = {name: _compared(rounds, *pair) for name, pair in PAIRS.items()}
    what = f"banking77, {given.rows} rows, {given.epochs:g} epochs, starter/encoder"
    write_result(RESULT, what=what, comparisons=compared, rounds=rounds)
    for name, found in compared.items():
        print(
            f"{name}: {found['ratio_median']:.2f} times the rows/s ({found['ratio_low']:.2f}-{found['ratio_high']:.2f})"
        )


def _round(shared: list[str], validation: Path) -> dict[str, Any]:
    """Every contender once, one after the other."""
    ours = [*shared, "--validation", str(validation)]
    return {
        "trainer, defaults": run_script("trainer.py", *shared),
        "affina, defaults": run_script("affina_run.py", *ours),
        "trainer, best setting": run_script("trainer.py", *shared, "--setting", "best"),
        "affina, full": run_script("affina_run.py", *ours, "method=full"),
    }


def _compared(rounds: list[dict[str, Any]], ours: str, peer: str) -> dict[str, Any]:
    return compared(rounds, ours, peer, speed="rows_per_second")


def compared(rounds: list[dict[str, Any]], ours: str, peer: str, *, speed: str) -> dict[str, Any]:
    """How often our speed is the peer's, round by round, and our peak memory its."""
    speeds = [found[ours][speed] / found[peer][speed] for found in rounds]
    memory = [found[ours]["peak_memory_bytes"] / found[peer]["peak_memory_bytes"] for found in rounds]
    return {
        "ratio_median": statistics.median(speeds),
        "ratio_low": min(speeds),
        "ratio_high": max(speeds),
        "memory_ratio_median": statistics.median(memory),
    }


def write_result(path: Path, *, what: str, comparisons: dict[str, Any], rounds: list[dict[str, Any]]) -> None:
    """The result of a benchmark of speed, with what it was measured on."""
    result = {
        "what": what,
        "comparisons": comparisons,
        "rounds": rounds,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {name: metadata.version(name) for name in ("affina", "torch", "transformers", "accelerate")},
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def split_rows(data: Path, folder: Path, *, rows: int, labels: int | None = None) -> tuple[Path, Path]:
    """`rows` training rows and a tenth as many others to validate on, of so many of the labels."""
    with data.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    used = sorted({row["label"] for row in found})[:labels]
    found = [row for row in found if row["label"] in used]
    random.Random(0).shuffle(found)  # noqa: S311 - not a secret
    held = max(100, rows // 10)
    parts = {"train": found[held : held + rows], "validation": found[:held]}
    for name, part in parts.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows({"text": row["text"], "label": row["label"]} for row in part)
    return folder / "train.csv", folder / "validation.csv"


def run_script(script: str, *words: str, python: str = sys.executable) -> dict[str, Any]:
    """What a contender's process prints last, as JSON."""
    command = [python, str(HERE / script), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
