"""Affina against transformers' Trainer: same model, rows, epochs and machine, interleaved, in one run.

    python benchmarks/speed/classification.py --rows 2000 --epochs 3 --repeats 2

Three comparisons: Affina's defaults with `Trainer` at its defaults and at its best setting, and full fine-tuning with
the latter, where both train the same tensors. Needs the data sets' folder in AFFINA_DATA. Writes
benchmarks/results/speed-classification.json: rows per second by two clocks, peak memory, and the ratio of each pair.
Our time is from the first work on the model to the trained one: the start of the head, the search for the rate,
evaluations and checkpoints; the peer's is without its evaluations, and it makes no checkpoints.

Both sides are evaluated on the same validation rows after each epoch, ours before the first step too. From that comes
the wall's time, evaluations included, to the peer's best accuracy and to its lowest loss; `curve` of each run has all.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from side_by_side import RESULTS, compared, run_script, write_result

from affina.models.source import locate

PAIRS = {
    "defaults against defaults": ("affina, defaults", "trainer, defaults"),
    "same tensors, against the best setting": ("affina, full", "trainer, best setting"),
    "defaults against the best setting": ("affina, defaults", "trainer, best setting"),
}
EVALUATED = ("evaluate.per_epoch=1", "evaluate.rows=all")
"""As `auto` comes to with so few rows; said, so that it is what the peer does at every size."""
SIGNS = {"accuracy": 1, "loss": -1}
"""What validation rows are scored by, and whether more is better."""
Curve = list[dict[str, float]]
DATA = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "banking77" / "train.csv"
RESULT = RESULTS / "speed-classification.json"


def main() -> None:
    """Run the pairs and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--labels", type=int, help="of the 77, so that few rows have several of each; none: all")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        train, validation = split_rows(DATA, Path(folder), rows=given.rows, labels=given.labels)
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
            what = f"banking77, {given.rows} rows, {given.epochs:g} epochs, starter/encoder"
            comparisons = compare(rounds)
            write_result(given.out, what=what, comparisons=comparisons, rounds=rounds)
    print(json.dumps(comparisons), flush=True)


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How we stand to the peer in each pair, and how soon we are as good as it is at its best."""
    found = {name: compared(rounds, *pair, of="rows") for name, pair in PAIRS.items()}
    for name, pair in PAIRS.items():
        both = [[at[one].get("curve") for one in pair] for at in rounds]
        if curves := [(ours, peer) for ours, peer in both if ours and peer]:
            found[name]["to_the_peers_best"] = {score: [_reached(*each, score) for each in curves] for score in SIGNS}
    return found


def _reached(ours: Curve, peer: Curve, score: str) -> dict[str, float | None]:
    """The peer's best score, and the seconds after which each side had it for the first time; None for never."""
    sign = SIGNS[score]
    best = max(sign * point[score] for point in peer)
    first = [next((point["seconds"] for point in curve if sign * point[score] >= best), None) for curve in (ours, peer)]
    return {"best": sign * best, "our_seconds": first[0], "peers_seconds": first[1]}


def _round(shared: list[str], validation: Path) -> dict[str, Any]:
    """Every contender once, one after the other."""
    judged = [*shared, "--validation", str(validation)]
    ours = [*judged, *EVALUATED]
    return {
        "trainer, defaults": run_script("trainer.py", *judged),
        "affina, defaults": run_script("affina_run.py", *ours),
        "trainer, best setting": run_script("trainer.py", *judged, "--setting", "best"),
        "affina, full": run_script("affina_run.py", *ours, "method=full"),
    }


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


if __name__ == "__main__":
    main()
