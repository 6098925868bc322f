"""Affina on a CSV with text and label, defaults but for the epochs. Prints one JSON line.

Two clocks, each from the first work on the model to the trained one: the pass in which frozen blocks are run once, the
start of the head (a probe), the search for the rate, the training with its evaluations and checkpoints.
`training_seconds` is the sum of these stages by the wall's clock; `processor_seconds` is the processor's time from the
forecast to the last evaluation, which a busy machine disturbs less. `curve` has the seconds of the wall's clock from
the forecast to each evaluation, with its scores.
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
from typing import Any, Final

import affina
from affina.record import journal
from affina.record.payloads import Evaluated, Finished, Payload, Step
from affina.record.starts import Predicted

WORK: Final = ("frozen blocks", "head and rates", "training")
"""The stages of a run between the forecast and the trained model, where nothing but the model is worked on."""


class Clock:
    """Watches a run from its forecast to its last evaluation."""

    def __init__(self) -> None:
        self._begun = self._used = 0.0
        self.seconds = 0.0
        """Of the processor."""
        self.curve: list[dict[str, Any]] = []

    def __call__(self, record: Payload) -> None:
        """The time of the records that count."""
        if isinstance(record, Predicted):
            self._begun, self._used = time.perf_counter(), time.process_time()
        if isinstance(record, Evaluated):
            self.seconds = time.process_time() - self._used
            passed = time.perf_counter() - self._begun
            self.curve.append({"seconds": passed, "epoch": record.epoch, **record.metrics})


def seconds_of(finished: Finished) -> float:
    """Of the wall's clock, from the first work on the model to the trained one."""
    return sum(finished.seconds.get(stage, 0.0) for stage in WORK)


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
        records = journal.read(result.folder.journal)
    finished = next(record for record in records if isinstance(record, Finished))
    steps = [record for record in records if isinstance(record, Step)]
    trained = given.epochs * sum(1 for _ in _rows(given.train))
    seconds = seconds_of(finished)
    found = {
        "rows_per_second": trained / seconds,
        "rows_per_processor_second": trained / clock.seconds,
        "steps_only_rows_per_second": finished.rows_per_second,
        "training_seconds": seconds,
        "processor_seconds": clock.seconds,
        "seconds": finished.seconds,
        "steps": len(steps),
        "rows_per_step": sum(step.rows for step in steps) / len(steps),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "curve": clock.curve,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
