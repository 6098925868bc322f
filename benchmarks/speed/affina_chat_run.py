"""Affina's LoRA on a JSONL of questions and answers, the rate and rows of a step given. Prints one JSON line.

`training_seconds` is the whole training stage, checkpoints and the evaluations at its start and end included.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import affina
from affina.record import journal
from affina.record.payloads import Evaluated, Finished, Payload, Step
from affina.record.starts import Predicted


def main() -> None:
    """Train once and print tokens per second, seconds and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--epochs", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    used: dict[str, float] = {}

    def observe(record: Payload) -> None:
        if isinstance(record, Predicted | Evaluated):
            used[type(record).__name__] = time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        recipe = {
            "model": str(given.model),
            "task": "chat",
            "method": {"name": "lora", "rank": 8, "alpha": 16},
            "seed": given.seed,
            "run": f"{folder}/run",
            "data": {"train": str(given.train), "validation": str(given.validation), "test": "none"},
            "train": {
                "epochs": given.epochs,
                "learning_rate": given.rate,
                "schedule": "linear",
                "warmup": 0,
                "weight_decay": 0,
                "early_stopping": False,
                "reuse": False,
            },
            "evaluate": {"baselines": False, "per_epoch": 1, "rows": 2},
            "generate": {"rows": 1, "max_new_tokens": 2, "shots": 0},
            "risks": {"measure": "never"},
        }
        result = affina.train(recipe, given.overrides, observers=(observe,))
        records = journal.read(result.folder.journal)
        shutil.copytree(result.folder.adapter, given.adapter, dirs_exist_ok=True)
    finished = next(record for record in records if isinstance(record, Finished))
    steps = [record for record in records if isinstance(record, Step)]
    seconds = finished.seconds["training"]
    tokens = sum(step.tokens for step in steps)
    found = {
        "tokens": tokens,
        "steps": len(steps),
        "tokens_per_second": tokens / seconds,
        "steps_only_tokens_per_second": finished.tokens_per_second,
        "training_seconds": seconds,
        "processor_seconds": used["Evaluated"] - used["Predicted"],
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
