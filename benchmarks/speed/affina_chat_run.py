"""Affina's LoRA on a JSONL of questions and answers, the rate and rows of a step given. Prints one JSON line.

Both clocks are affina_run.py's. The evaluations in them, at the start and the end, are cut to two rows, since the peer
makes none: what the adapter is worth on all held-out rows is measured afterwards, for both, by chat_loss.py.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from affina_run import Clock, seconds_of
from contender import tell, words

import affina
from affina.record import journal
from affina.record.payloads import Finished, Step


def main() -> None:
    """Train once and print tokens per second, seconds and peak memory."""
    parser = words(__doc__)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        recipe = {
            "model": str(given.model),
            "task": "chat",
            "method": {"name": "lora", "rank": 8, "alpha": 16} if given.method == "lora" else "full",
            "device": given.device,
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
                "precision": "fp32" if given.device == "cpu" else "bf16",
            },
            "evaluate": {"baselines": False, "per_epoch": 1, "rows": 2},
            "generate": {"rows": 1, "max_new_tokens": 2, "shots": 0},
            "risks": {"measure": "never"},
        }
        result = affina.train(recipe, given.overrides, observers=(clock,))
        records = journal.read(result.folder.journal)
        shipped = result.folder.adapter if given.method == "lora" else result.folder.model
        shutil.copytree(shipped, given.adapter, dirs_exist_ok=True)
    finished = next(record for record in records if isinstance(record, Finished))
    steps = [record for record in records if isinstance(record, Step)]
    tell(
        tokens=sum(step.tokens for step in steps),
        rows=sum(step.rows for step in steps),
        steps=len(steps),
        seconds=seconds_of(finished),
        processor_seconds=clock.seconds,
        told={"losses": [step.loss for step in steps], "rows_of_steps": [step.rows for step in steps]},
    )


if __name__ == "__main__":
    main()
