"""Which rows are in which step: the whole run laid out before it starts, from the seed alone.

An epoch is a list of windows, a window is the micro-batches of one optimizer step; the last window of an epoch
holds what is left. Because every epoch can be made again from its number, a checkpoint needs only the step to find
its place.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

JUDGED_FROM: Final = 40
"""Steps: a quarter of a shorter run is too soon to judge it."""
Window = list[list[int]]
EpochPlanner = Callable[[int], Sequence[list[int]]]
"""Epoch number to its micro-batches of row places."""


def split(window: Window, parts: int) -> Window:
    """The same rows with each micro-batch in so many parts of consecutive rows; a part has one row at the least."""
    places = range(parts)
    pieces = (rows[part * len(rows) // parts : (part + 1) * len(rows) // parts] for rows in window for part in places)
    return [piece for piece in pieces if piece]


@dataclass(slots=True)
class Plan:
    """The steps of a run.

    Args:
        planner: makes the micro-batches of an epoch.
        accumulate: micro-batches in a window.
        epochs: passes over the rows; the last may be a part of one.
        max_steps: a bound on the steps, or None.
        evaluations: how many times an epoch is evaluated, evenly, the last one at its end; where that leaves out the
            second quarter of a run of `JUDGED_FROM` steps or more, there is one more at its start.
    """

    planner: EpochPlanner
    accumulate: int
    epochs: float
    max_steps: int | None
    evaluations: int
    steps_per_epoch: int = field(init=False)
    """Of the first epoch, if it is a whole one."""
    _ends: list[int] = field(init=False)
    _evaluated: frozenset[int] = field(init=False)
    _quarter: int = field(init=False)
    _cache: tuple[int, Sequence[list[int]]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.steps_per_epoch = self._steps(0)
        sizes: list[int] = []
        for epoch in range(math.ceil(self.epochs)):
            share = min(1.0, self.epochs - epoch)
            sizes.append(max(1, round(self._steps(epoch) * share)))
            if self.max_steps and sum(sizes) >= self.max_steps:
                break
        self._ends = list(itertools.accumulate(sizes))
        evaluated = {
            end - size + max(1, round(size * part / self.evaluations))
            for end, size in zip(self._ends, sizes, strict=True)
            for part in range(1, self.evaluations + 1)
        }
        quarter, half = math.ceil(self.total_steps / 4), self.total_steps / 2
        if self.total_steps >= JUDGED_FROM and not any(quarter <= step < half for step in evaluated):
            evaluated.add(quarter)
        self._evaluated = frozenset(evaluated)
        self._quarter = min(step for step in evaluated | {self.total_steps} if step >= quarter)

    @property
    def total_steps(self) -> int:
        """Optimizer steps in the whole run."""
        return min(self._ends[-1], self.max_steps or self._ends[-1])

    def window(self, step: int) -> Window:
        """The micro-batches of `step`, counted from 0."""
        epoch = bisect.bisect_right(self._ends, step)
        start = self._ends[epoch - 1] if epoch else 0
        place = (step - start) * self.accumulate
        return list(self._batches(epoch)[place : place + self.accumulate])

    def epoch_after(self, step: int) -> float:
        """How many passes over the rows `step` steps make, 0.5 for half an epoch."""
        epoch = bisect.bisect_right(self._ends, step - 1) if step else 0
        start = self._ends[epoch - 1] if epoch else 0
        return epoch + (step - start) / self._steps(epoch)

    def steps_in(self, epochs: float) -> int:
        """Steps that so many passes over the rows take; all steps where the run has no more passes than that."""
        whole = int(epochs)
        if whole >= len(self._ends):
            return self.total_steps
        start = self._ends[whole - 1] if whole else 0
        return min(self.total_steps, start + round((epochs - whole) * self._steps(whole)))

    def evaluates_after(self, step: int) -> bool:
        """Whether the validation rows are looked at once `step` steps are done; always at the end."""
        return step in self._evaluated or step == self.total_steps

    def is_at_a_quarter(self, step: int) -> bool:
        """Whether a long enough run is judged after `step` steps: at its first evaluation from a quarter on."""
        return step == self._quarter and self.total_steps >= JUDGED_FROM

    def is_judged_later(self, step: int) -> bool:
        """Whether a long enough run is still to be judged so, after this step or a later one."""
        return step <= self._quarter and self.total_steps >= JUDGED_FROM

    def _steps(self, epoch: int) -> int:
        return math.ceil(len(self._batches(epoch)) / self.accumulate)

    def _batches(self, epoch: int) -> Sequence[list[int]]:
        if self._cache is None or self._cache[0] != epoch:
            self._cache = (epoch, self.planner(epoch))
        return self._cache[1]
