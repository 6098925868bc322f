"""Runs to be damaged: one that broke off between checkpoints, and finished ones; each made once in a test session."""

from __future__ import annotations

import atexit
import contextlib
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import affina
from affina.record.payloads import Step
from workbench import sample_rows, tiny, write_csv, write_jsonl

BROKEN_OFF_AT = 7
QUICK = {"evaluate": {"baselines": False, "resamples": 10}, "risks": {"measure": "never"}}
TRAIN = {"max_steps": 8, "batch_tokens": 120, "learning_rate": 3e-2, "checkpoint_every": 2, "keep": 2}


class _PowerCutError(Exception):
    pass


def again() -> list[str]:
    """The words that a stopped run goes on with."""
    train = [f"train.{key}={value}" for key, value in TRAIN.items()]
    return ["train", "good.csv", f"model={tiny()}", "run=run", *train, *_words(QUICK)]


def _words(recipe: dict[str, dict[str, Any]]) -> list[str]:
    return [f"{part}.{key}={str(value).lower()}" for part, keys in recipe.items() for key, value in keys.items()]


@functools.cache
def _place(name: str) -> Path:
    folder = tempfile.TemporaryDirectory(prefix=f"{name}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _train(name: str, recipe: dict[str, Any], *, stops_at: int | None = None, rows: int = 60) -> Path:
    """Train in a folder of its own, where the names of the files are those that the tests have in theirs."""

    def stop(record: object) -> None:
        if isinstance(record, Step) and record.step == stops_at:
            raise _PowerCutError

    with contextlib.chdir(_place(name)):
        write_csv(Path("good.csv"), sample_rows(rows))
        given = {"run": "run", "data": {"train": "good.csv"}, **QUICK, **recipe}
        with contextlib.suppress(_PowerCutError):
            affina.train(given, observers=(stop,))
    return _place(name) / "run"


@functools.cache
def stopped() -> Path:
    """Broken off after step 7, with the checkpoints of steps 4 and 6."""
    return _train("stopped", {"model": str(tiny()), "train": TRAIN}, stops_at=BROKEN_OFF_AT)


@functools.cache
def other() -> Path:
    """The same of another run, of the same shapes."""
    return _train("other", {"model": str(tiny()), "train": TRAIN, "seed": 1}, stops_at=BROKEN_OFF_AT)


@functools.cache
def finished() -> Path:
    """A classifier."""
    return _train("finished", {"model": str(tiny()), "train": {**TRAIN, "max_steps": 2}})


@functools.cache
def talker() -> Path:
    """A chat with an adapter alone."""
    rows = [{"messages": turns(text, label)} for text, label in sample_rows(24)]
    write_jsonl(_place("talker") / "talk.jsonl", rows)
    recipe = {
        "model": str(tiny("gpt2")),
        "method": "lora",
        "data": {"train": "talk.jsonl"},
        "train": {**TRAIN, "max_steps": 2},
        "generate": {"max_new_tokens": 4},
        "export": {"merge": False},
    }
    return _train("talker", recipe)


def turns(asked: str, answer: str) -> Sequence[dict[str, str]]:
    """A conversation of two turns."""
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
