"""Affina against transformers' Trainer at its defaults: same model, rows, epochs and machine, interleaved, in one run.

    python benchmarks/speed/classification.py --rows 2000 --epochs 3 --repeats 2

Needs the data sets' folder in AFFINA_DATA. Writes benchmarks/results/speed-classification.json: rows per second (whole
training stage, evaluations included on our side), peak memory, and the ratio of each pair.
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
RESULT = HERE.parent / "results" / "speed-classification.json"


def main() -> None:
    """Run the pairs and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("overrides", nargs="*", help="recipe words for Affina; none for its defaults")
    given = parser.parse_args()
    data = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "banking77" / "train.csv"
    model = locate("starter/encoder").folder
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        train, validation = _split(data, Path(folder), rows=given.rows)
        for number in range(given.repeats):
            shared = ["--model", str(model), "--train", str(train), "--epochs", str(given.epochs)]
            peer = _run("trainer.py", *shared)
            ours = _run("affina_run.py", *shared, "--validation", str(validation), *given.overrides)
            pairs.append({"trainer": peer, "affina": ours, "ratio": ours["rows_per_second"] / peer["rows_per_second"]})
            print(f"pair {number + 1}: {pairs[-1]['ratio']:.2f} times", json.dumps(pairs[-1]), flush=True)
    result = {
        "what": f"banking77, {given.rows} rows, {given.epochs:g} epochs, starter/encoder, overrides {given.overrides}",
        "ratio_median": statistics.median(pair["ratio"] for pair in pairs),
        "memory_ratio_median": statistics.median(
            pair["affina"]["peak_memory_bytes"] / pair["trainer"]["peak_memory_bytes"] for pair in pairs
        ),
        "pairs": pairs,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "versions": {name: metadata.version(name) for name in ("affina", "torch", "transformers", "accelerate")},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"median {result['ratio_median']:.2f} times the rows/s, {result['memory_ratio_median']:.2f} times the memory")


def _split(data: Path, folder: Path, *, rows: int) -> tuple[Path, Path]:
    """`rows` training rows and a tenth as many others to validate on."""
    with data.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    random.Random(0).shuffle(found)  # noqa: S311 - not a secret
    held = max(100, rows // 10)
    parts = {"train": found[held : held + rows], "validation": found[:held]}
    for name, part in parts.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows({"text": row["text"], "label": row["label"]} for row in part)
    return folder / "train.csv", folder / "validation.csv"


def _run(script: str, *words: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / script), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
