"""What is run, in which order, and what a run needs from those before it. This module runs nothing.

Seed 0 of every set comes first, the cheapest set first, so that a table that was interrupted has whole lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from ledger import Key, Run, key

GRID: Final = (5e-5, 2e-4, 5e-4)
"""The peer's learning rates, tried at seed 0; the one with the best validation accuracy gets the other seeds."""
SETFIT_SETS: Final = ("banking77-100", "banking77-500")
"""With 2,000 rows SetFit's defaults are 200,000 steps, and 20 iterations of its paper 4,500: hours on two cores."""
SETFIT_STEPS: Final = 1125
"""SetFit's batches at most: for 450 rows the 20 iterations of its paper (arXiv 2209.11055); its defaults are 12,600."""
CONTENDERS: Final = ("affina", "trainer", "setfit")
BEST: Final = "best"
"""The setting of a run whose learning rate the grid decides; it is then a run of the setting `grid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run to do; the fields are its identity."""

    set: str
    contender: str
    setting: str = "defaults"
    learning_rate: float | None = None
    seed: int = 0
    cut: int | None = None

    @property
    def key(self) -> Key:
        """Its identity, as in the results."""
        return key(asdict(self))

    def __str__(self) -> str:
        rate = "" if self.learning_rate is None else f" {self.learning_rate:g}"
        return f"{self.set}, {self.contender} {self.setting}{rate}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Ready:
    """What stands of a task now: `run` it, `wait` for another, or `skip` it for a reason."""

    do: Literal["run", "wait", "skip"]
    task: Task
    epochs: float | None = None
    reason: str = ""


def tasks(
    names: Iterable[str], *, seeds: int, only: Sequence[str], cut: int | None, defaults_seeds: int = 1
) -> list[Task]:
    """Every run of these sets, set by set; the first `defaults_seeds` of the seeds are the peer's defaults' as well."""
    return [task for name in names for task in _of_set(name, seeds, cut, defaults_seeds) if task.contender in only]


def ordered(found: Iterable[Task], cost: Callable[[Task], float]) -> list[Task]:
    """Seed by seed, the set whose runs cost least first; SetFit's runs, which are slow, as a set of their own."""
    listed = list(found)
    sums: dict[tuple[str, bool], float] = {}
    for task in listed:
        sums[_group(task)] = sums.get(_group(task), 0.0) + cost(task)
    return sorted(listed, key=lambda task: (task.seed, sums[_group(task)], *_group(task)))


def left(found: Iterable[Task], runs: Mapping[Key, Run]) -> list[Task]:
    """Those that have not finished; what failed or was skipped is to be tried again."""

    def pending(identity: Key) -> bool:
        return not _is_done(runs.get(identity))

    return [task for task in found if pending(ready(task, runs, pending=pending).task.key)]


def ready(task: Task, runs: Mapping[Key, Run], *, pending: Callable[[Key], bool]) -> Ready:
    """Whether `task` can be run now, and with what.

    Args:
        task: what is to be run.
        runs: the results so far.
        pending: whether the run with that identity is still to come.
    """
    first = Task(set=task.set, contender="affina", cut=task.cut)
    grid = [replace(task, setting="grid", learning_rate=rate, seed=0) for rate in GRID]
    needed = [*({"grid": [first], BEST: [first, *grid]}.get(task.setting, []))]
    if any(pending(other.key) for other in needed):
        return Ready("wait", task)
    if not needed:
        return Ready("run", task)
    if not _is_done(runs.get(first.key)):
        return Ready("skip", task, reason="Affina's run of seed 0 is missing, and with it the number of epochs")
    epochs = runs[first.key]["epochs_planned"]
    if task.setting == "grid":
        return Ready("run", task, epochs)
    best = best_of_grid(runs[other.key] for other in grid if _is_done(runs.get(other.key)))
    if best is None:
        return Ready("skip", task, reason="no run of the grid finished")
    return Ready("run", replace(task, setting="grid", learning_rate=best), epochs)


def best_of_grid(runs: Iterable[Mapping[str, Any]]) -> float | None:
    """The learning rate with the best validation accuracy; of equals the one with the lower validation loss."""
    ranked = sorted(runs, key=lambda run: (-run["validation_accuracy"], run["validation_loss"]))
    return ranked[0]["learning_rate"] if ranked else None


def _of_set(name: str, seeds: int, cut: int | None, defaults_seeds: int) -> Iterator[Task]:
    yield Task(set=name, contender="affina", cut=cut)
    yield Task(set=name, contender="trainer", cut=cut)
    yield from (Task(set=name, contender="trainer", setting="grid", learning_rate=rate, cut=cut) for rate in GRID)
    for seed in range(seeds):
        if seed:
            yield Task(set=name, contender="affina", seed=seed, cut=cut)
            if seed < defaults_seeds:
                yield Task(set=name, contender="trainer", seed=seed, cut=cut)
            yield Task(set=name, contender="trainer", setting=BEST, seed=seed, cut=cut)
        if name in SETFIT_SETS:
            yield Task(set=name, contender="setfit", seed=seed, cut=cut)


def _group(task: Task) -> tuple[str, bool]:
    return task.set, task.contender == "setfit"


def _is_done(run: Mapping[str, Any] | None) -> bool:
    return run is not None and run["status"] == "done"
