"""Runs that are killed at random moments, over and over, and what they come to: the same bits as without.

For each pair of task and method on a tiny model: one run to its end, then runs in which a process of its own is sent
SIGKILL at a moment drawn at random, and the same run is taken up again until it ends. The processes are forks of one
that has only imported what it needs. Goes on where it stopped: what is in the file is not done again.

    python benchmarks/reliability/kills.py --kills 210 --out benchmarks/results/kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from ledger import runs_of, save

import affina
import affina.verbs.train
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import Finished
from workbench import bits, sample_rows, tiny, write_csv

PAIRS = (("classification", "bert", "full"), ("classification", "bert", "lora"), ("generation", "gpt2", "prefix"))
LATEST = 0.7
"""Of the seconds of a whole run: a run that goes on is shorter, and one that has ended cannot be killed."""
WHAT = (
    "runs killed at random moments until they end, each compared with one that is not; benchmarks/reliability/kills.py"
)
AT_ITS_END = "after its last record"
CHECK_EVERY = 10
"""Kills at the most before a run is left to end, and its bits are compared."""


def recipe_of(task: str, family: str, method: str) -> dict[str, Any]:
    """A run of a dozen steps with a checkpoint after each second one."""
    labelled = task == "classification"
    return {
        "model": str(tiny(family)),
        "task": task,
        "method": method,
        "run": "run",
        "data": {"train": "labels.csv" if labelled else "texts.csv"},
        "train": {"max_steps": 12, "batch_tokens": 120, "checkpoint_every": 2, "dropout": 0.1, "restart": False},
        "evaluate": {"resamples": 5, "baselines": False, "per_epoch": 2},
    }


def train_in_fork(recipe: dict[str, Any], *, killed_after: float | None) -> tuple[str, float]:
    """Train in a process of its own; how it ended, and after how many seconds."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            affina.train(recipe)
            status = 0
        except BaseException:
            Path("error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(status)
    if killed_after is not None:
        while time.monotonic() - begun < killed_after:
            if os.waitpid(child, os.WNOHANG)[0]:
                return "ended", time.monotonic() - begun
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed", time.monotonic() - begun
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(Path("error.txt").read_text(encoding="utf-8"))
    return "ended", time.monotonic() - begun


def reached(run: RunFolder) -> str:
    """How far a killed run had come."""
    if not run.journal.is_file():
        return "before its record"
    if any(isinstance(record, Finished) for record in read(run.journal)):
        return AT_ITS_END
    last = run.last()
    return "before a checkpoint" if last is None else "after a checkpoint"


def harass(recipe: dict[str, Any], expected: str, draw: random.Random, *, kills: int, seconds: float) -> dict[str, Any]:
    """Kill one run some times, let it end, and compare."""
    run = RunFolder(Path("run"))
    where: dict[str, int] = {}
    done = 0
    while done < kills:
        how, _ = train_in_fork(recipe, killed_after=draw.uniform(0.0, LATEST * seconds))
        if how == "ended":
            break
        done += 1
        place = reached(run)
        where[place] = where.get(place, 0) + 1
        if place == AT_ITS_END:  # what is left is the report
            affina.report(run.path)
            break
    else:
        train_in_fork(recipe, killed_after=None)
    same = bits(run) == expected
    # a report that was being written when a finished run was killed leaves its half: nothing goes on there any more
    left = (
        []
        if AT_ITS_END in where
        else [path.name for path in run.path.rglob(".*") if path.name.endswith((".partial", ".old"))]
    )
    return {"kills": done, "where": where, "same": same, "left_over": left}


def main() -> None:
    """All pairs in turn, until there were kills enough."""
    words = argparse.ArgumentParser()
    words.add_argument("--kills", type=int, default=210)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", default="")
    given = words.parse_args()
    out = Path(given.out).absolute() if given.out else None
    found = runs_of(out) if out else []
    earlier = len(found)
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        os.environ["AFFINA_CACHE"] = str(Path(home, "cache"))  # what the runs keep for each other is theirs alone
        write_csv(Path("labels.csv"), sample_rows(60))
        write_csv(Path("texts.csv"), sample_rows(60), header="input,target")
        whole: dict[str, tuple[str, float]] = {}
        while sum(one["kills"] for one in found) < given.kills:
            task, family, method = PAIRS[len(found) % len(PAIRS)]
            recipe = recipe_of(task, family, method)
            name = f"{task} {method}"
            if name not in whole:
                _, seconds = train_in_fork(recipe, killed_after=None)
                whole[name] = (bits(RunFolder(Path("run"))), seconds)
                shutil.rmtree("run")
            expected, seconds = whole[name]
            draw = random.Random(given.seed * 1_000_003 + len(found))  # noqa: S311 - not a secret
            found.append({"pair": name} | harass(recipe, expected, draw, kills=CHECK_EVERY, seconds=seconds))
            shutil.rmtree("run")
            print(json.dumps(found[-1]), flush=True)
            if out:
                save(out, found, what=WHAT)
    sys.exit(0 if all(one["same"] and not one["left_over"] for one in found[earlier:]) else 1)


if __name__ == "__main__":
    main()
