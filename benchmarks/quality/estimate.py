"""How long runs take: rough figures for one thread, corrected by the runs that have finished."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from sets import Splits

from plan import SETFIT_STEPS, Task

ROWS_PER_SECOND: Final = {"affina defaults": 85.0, "trainer defaults": 32.0, "trainer grid": 50.0, "trainer best": 50.0}
"""Trained by one thread, texts of 60 characters."""
SCORED_PER_SECOND: Final = 300.0
CHARACTERS: Final = 60.0
SETFIT_STEP: Final = 1.1
START: Final = 10.0
"""Seconds until a run begins to train."""


class Size(NamedTuple):
    """What of a set costs time."""

    train: int
    scored: int
    characters: float


def size(splits: Splits) -> Size:
    """Rows, and the mean length of a text."""
    mean = statistics.fmean(len(row.text) for row in splits.train)
    return Size(len(splits.train), len(splits.validation) + len(splits.test), mean)


def seconds(task: Task, size: Size) -> float:
    """A guess for one thread."""
    length = size.characters / CHARACTERS
    if task.contender == "setfit":
        return START + min(SETFIT_STEPS, size.train**2 / 16) * SETFIT_STEP * length
    kind = f"{task.contender} {task.setting}"
    epochs = 3.0 if kind == "trainer defaults" else 10.0 if size.train <= 1000 else 5.0
    return START + length * (size.train * epochs / ROWS_PER_SECOND[kind] + size.scored / SCORED_PER_SECOND)


class Estimate:
    """Seconds of each task with `threads` threads, none for the contenders in `free`; `learn` corrects the guesses."""

    def __init__(self, sizes: Mapping[str, Size], *, threads: int, free: Collection[str] = ()) -> None:
        self._sizes = sizes
        self._free = frozenset(free)
        self._threads = threads
        self._factors: dict[str, list[float]] = {}

    def __call__(self, task: Task) -> float:
        """Seconds that the task will take."""
        if task.contender in self._free:
            return 0.0
        guess = seconds(task, self._sizes[task.set]) / self._threads
        return guess * statistics.median(self._factors.get(task.contender, [1.0]))

    def learn(self, task: Task, took: float) -> None:
        """Take in how long a finished run of this session, or of an earlier one with as many threads, took."""
        guess = seconds(task, self._sizes[task.set]) / self._threads
        self._factors.setdefault(task.contender, []).append(took / guess)

    def learn_all(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """The same for the runs of a results file."""
        for run in runs:
            if run["status"] == "done" and run["threads"] == self._threads and run["set"] in self._sizes:
                rate = run["learning_rate"]
                task = Task(set=run["set"], contender=run["contender"], setting=run["setting"], learning_rate=rate)
                self.learn(task, run["wall_seconds"])


def clock(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
