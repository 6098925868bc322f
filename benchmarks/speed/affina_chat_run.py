"""Affina's LoRA on a JSONL of questions and answers, the rate and, if asked, the steps given. Prints one JSON line.

Both clocks are affina_run.py's. The evaluations in them, at the start and the end, are cut to two rows, since the peer
makes none: what the adapter is worth on all held-out rows is measured afterwards, for both, by chat_loss.py.
"""

from __future__ import annotations

import argparse
import bisect
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from affina_run import Clock, seconds_of
from contender import tell, words

import affina
from affina.pipeline.prepare import prepare
from affina.record import journal
from affina.record.payloads import Finished, Step
from affina.verbs.sources import read_source


def main() -> None:
    """Train once and print tokens per second, seconds and peak memory."""
    parser = words(__doc__)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--steps-of-an-epoch", type=int, help="that batches are cut to; none: by train.batch_tokens")
    parser.add_argument("--print-tokens", action="store_true", help="only the tokens of a batch that make these steps")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    if given.print_tokens:
        sys.stdout.write(f"{_tokens_of(given)}\n")
        return
    overrides = list(given.overrides)
    if given.steps_of_an_epoch:  # looked for in another process: what it takes is no part of this one's peak memory
        asked = [sys.executable, __file__, *sys.argv[1:], "--print-tokens"]
        found = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
        overrides.append(f"train.batch_tokens={found.stdout.split()[-1]}")
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        result = affina.train(_recipe(given, folder), overrides, observers=(clock,))
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
        told={
            "losses": [step.loss for step in steps],
            "rows_of_steps": [step.rows for step in steps],
            "weights": "float32",  # models/files.py; what an optimizer adds to them is less than bf16 can hold
        },
    )


def _recipe(given: argparse.Namespace, folder: str) -> dict[str, Any]:
    return {
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


def _tokens_of(given: argparse.Namespace) -> int:
    """The fewest tokens of a batch, padding included, that make no more than the steps asked for in the first epoch."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(read_source(_recipe(given, folder), given.overrides), notify=lambda _: None)
    lengths = prepared.subject.lengths["train"]

    def steps(budget: int) -> int:
        return len(prepared.subject.plan_epoch(lengths, budget=budget, seed=prepared.draws, epoch=0))

    tokens = range(max(lengths), sum(lengths) + max(lengths) * len(lengths))
    return tokens[bisect.bisect_left(tokens, -given.steps_of_an_epoch, key=lambda budget: -steps(budget))]


if __name__ == "__main__":
    main()
