"""Affina on a CSV with text and label, defaults but for the epochs. Prints one JSON line.

`training_seconds` is the time of the whole training stage, its evaluations and checkpoints included, and of the pass in
which frozen blocks are run once. `processor_seconds` is the same of the processor's time, which a busy machine disturbs
less, with the start of the head on top.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import affina
from affina.record import journal
from affina.record.payloads import Evaluated, Finished, Payload
from affina.record.starts import Predicted


class Clock:
    """Watches a run for the processor's time from its forecast to its last evaluation."""

    def __init__(self) -> None:
        self._at: dict[type[Payload], float] = {}

    def __call__(self, record: Payload) -> None:
        """The time of the records that count, the last one of each kind."""
        if isinstance(record, Predicted | Evaluated):
            self._at[type(record)] = time.process_time()

    @property
    def seconds(self) -> float:
        """Of the processor."""
        return self._at[Evaluated] - self._at[Predicted]


def main() -> None:
    """Train once and print rows per second, seconds and peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--epochs", type=float, required=True)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        result = affina.train(
            {
                "model": str(given.model),
                "run": f"{folder}/run",
                "data": {"train": str(given.train), "validation": str(given.validation), "test": "none"},
                "train": {"epochs": given.epochs, "early_stopping": False, "reuse": False},
                "evaluate": {"baselines": False},
            },
            given.overrides,
            observers=(clock,),
        )
        finished = next(record for record in journal.read(result.folder.journal) if isinstance(record, Finished))
    trained = given.epochs * sum(1 for _ in _rows(given.train))
    seconds = finished.seconds["training"] + finished.seconds.get("frozen blocks", 0.0)
    found = {
        "rows_per_second": trained / seconds,
        "steps_only_rows_per_second": finished.rows_per_second,
        "training_seconds": seconds,
        "processor_seconds": clock.seconds,
        "seconds": finished.seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
