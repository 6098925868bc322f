"""What the guard does: nothing in runs at our own rates, however small the batches, and what at a hundred times that.

Tiny models made in memory, of several tasks and methods; with `--model starter/encoder` that model on the same texts.
Prints one JSON object a run:

    python benchmarks/reliability/rates.py [--model M] [--seeds N] [--rows N] [--batches N ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from ledger import save

import affina
from affina.errors import AffinaError
from affina.record.folder import RunFolder
from affina.record.guarding import Rewound, Skipped
from affina.record.journal import read
from affina.record.payloads import STEP_BACK, Chosen, Event, Finished, Step
from affina.record.starts import Restarted
from workbench import sample_rows, tiny, write_csv

CASES = (("classification", "bert", "full"), ("classification", "bert", "lora"), ("classification", "bert", "prompt"))
WRITTEN = (("generation", "gpt2", "full"), ("generation", "gpt2", "lora"))
TIMES = (1.0, 100.0)
BATCHES = (16, 400)
"""Tokens: one row a step, and many."""
ROWS = 200
WHAT = "what the guard does at our own rate and at a hundred times it; benchmarks/reliability/rates.py"


def told(folder: Path) -> dict[str, Any]:
    """What a run's record says of it."""
    records = read(RunFolder(folder).journal)
    kinds = [type(record) for record in records]
    losses = [record.loss for record in records if isinstance(record, Step)]
    return {
        "steps": len(losses),
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "skipped": kinds.count(Skipped),
        "rewound": [record.cause for record in records if isinstance(record, Rewound)],
        "restarted": kinds.count(Restarted),
        "stopped": [record.stopped for record in records if isinstance(record, Finished)],
        "step_back": [
            record.text[:160] for record in records if isinstance(record, Event) and record.name == STEP_BACK
        ],
        "rate": [
            record.value for record in records if isinstance(record, Chosen) and record.key == "train.learning_rate"
        ],
    }


def run(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train, and say how that ended."""
    try:
        scores = affina.train(recipe | {"run": str(folder)}).scores.as_json()
        return told(folder) | {"scores": {name: figure["value"] for name, figure in scores.items()}}
    except AffinaError as error:
        return told(folder) | {"error": str(error)[:300]}


def main() -> None:
    """All cases, one line each."""
    words = argparse.ArgumentParser()
    words.add_argument("--model", default="")
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--rows", type=int, default=ROWS)
    words.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    words.add_argument("--out", default="")
    given = words.parse_args()
    out = Path(given.out).absolute()
    found = []
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        labelled = write_csv(Path(home, "rows.csv"), sample_rows(given.rows))
        written = write_csv(
            Path(home, "texts.csv"), [(text, label) for text, label in sample_rows(given.rows)], header="input,target"
        )
        cases = CASES[:2] if given.model else CASES + WRITTEN
        for number, (task, family, method) in enumerate(cases):
            prior: float | None = None
            for times in TIMES:
                for tokens in given.batches:
                    for seed in range(given.seeds):
                        train: dict[str, Any] = {"epochs": 3, "batch_tokens": tokens, "reuse": False}
                        if times != 1 and prior is not None:
                            train["learning_rate"] = times * prior
                        recipe = {
                            "model": given.model or str(tiny(family)),
                            "task": task,
                            "method": method,
                            "seed": seed,
                            "data": {"train": str(labelled if task == "classification" else written)},
                            "train": train,
                            "evaluate": {"resamples": 20, "baselines": task == "classification"},
                        }
                        end = run(recipe, Path(home, f"{number}-{times:g}-{tokens}-{seed}"))
                        if times == 1 and end["rate"]:
                            prior = end["rate"][0]
                        found.append(
                            {"task": task, "method": method, "times": times, "tokens": tokens, "seed": seed, **end}
                        )
                        print(json.dumps(found[-1]), flush=True)
    if given.out:
        save(out, found, what=WHAT)


if __name__ == "__main__":
    main()
