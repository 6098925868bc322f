"""A rehearsal: every stage of a run on a few of its batches, watched for what it holds and how long it takes.

The largest batches are run, because memory is decided there, and a few drawn evenly by their cost, because time is
decided by all. What is written goes to a folder that is thrown away. At most `STEPS` training steps are made. The
rehearsal wants a process of its own (`child`): what it held cannot be told from what others held.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from affina.data.batching import by_length
from affina.evaluation.baselines import MOST_ROWS, START_STRENGTH, fit_probe
from affina.models.base import width
from affina.pipeline.beforehand import with_stand_ins
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import probe_rates, steps_of_test
from affina.pipeline.risks import will_read_base
from affina.pipeline.shipping import put
from affina.pipeline.training import build_loop
from affina.planning.costs import batches_of, costs_of, evaluation_cost
from affina.planning.estimate import ASKING, RISKS, fits_probes, shapes
from affina.planning.running_again import times_as_long
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.runtime import heap, memory
from affina.training import checkpoint
from affina.training.loop import Loop
from affina.training.plan import split

STEPS: Final = 10
"""Training steps, those of a range test included."""
TESTED: Final = 2
"""Of them, steps of a range test where the run begins with one: it holds a copy of what trains."""
ENOUGH_SECONDS: Final = 30.0
"""Timed steps end after so long, once there are `LEAST_TIMED` of them."""
LEAST_TIMED: Final = 3
STILL: Final = 1e-3
"""Of the peak rates: the weights hardly move."""
PROBE_ITERATIONS: Final = 2


@dataclass(slots=True)
class Spent:
    """Seconds of wall and processor time, and the cost that they were spent on."""

    wall: float = 0.0
    processor: float = 0.0
    cost: float = 0.0

    @property
    def rate(self) -> float:
        """Wall seconds for a unit of cost."""
        return self.wall / self.cost if self.cost else 0.0

    @contextmanager
    def on(self, cost: float) -> Iterator[None]:
        """Add the time of the block, which is worth `cost`."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor
        self.cost += cost


@dataclass(slots=True)
class Rehearsed:
    """What was seen.

    Attributes:
        stages: stage to the most that was held in it, in bytes.
        steps: training steps made.
        gradients: forward and backward, by cost (`costs`).
        moves: the optimizer's part, by step.
        evaluations: forward passes of an evaluation, by cost.
        fits: of one probe, by iteration.
        writes: checkpoint, best weights and model: bytes and seconds; empty where nothing could be written.
        again: times what a pass takes, forward and backward, if the blocks are run again; None where they cannot be.
    """

    stages: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    gradients: Spent = field(default_factory=Spent)
    moves: Spent = field(default_factory=Spent)
    evaluations: Spent = field(default_factory=Spent)
    fits: Spent = field(default_factory=Spent)
    writes: dict[str, tuple[int, float]] = field(default_factory=dict)
    again: float | None = None

    @contextmanager
    def stage(self, name: str, device: torch.device) -> Iterator[None]:
        """Note the most that is held while the block runs."""
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            memory.forget_peak()
        yield
        self.stages[name] = held_at_most(device)


def held_at_most(device: torch.device) -> int:
    """Bytes: allocated on a CUDA device, held by the driver on MPS, by the process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return memory.peak()


def rehearse(prepared: Prepared, folder: Path, *, writes: bool) -> Rehearsed:
    """Run through all stages after the preparation, in the order of a run.

    Args:
        prepared: the run; its model is worth nothing afterwards.
        folder: for what is written; empty, and thrown away by the caller.
        writes: whether checkpoints and the model are written there.
    """
    found, prepared = Rehearsed(), with_stand_ins(prepared)
    with found.stage("evaluation", prepared.device):
        _evaluate(prepared, found)
    cost = prepared.subject.baseline_cost(prepared) if prepared.recipe.evaluate.baselines else None
    if cost is not None and cost.size:
        with found.stage(ASKING, prepared.device):
            prepared.subject.rehearse_baseline(prepared)
    if fits_probes(prepared):
        with found.stage("probe", prepared.device):
            _fit(prepared, found)
    if steps_of_test(prepared):
        with found.stage("range test", prepared.device):
            probe_rates(prepared, steps=TESTED)
        found.steps += TESTED
    run = RunFolder(folder / "run")
    with Journal(run.journal) as journal:
        loop = build_loop(prepared, run, journal)
        with found.stage("training", prepared.device):
            _train(prepared, loop, found)
        if writes:
            with found.stage("checkpoint", prepared.device):
                _write(loop, found)
    plan = loop.plan
    del loop  # as in a run, the optimizer is gone before the model is exported
    if writes:
        with found.stage("export", prepared.device), _written(found, "model", run.model, run.adapter):
            put(prepared, checkpoint.load_best(run, step=0))
            prepared.subject.export(prepared, run)
    if will_read_base(prepared, plan):
        with found.stage(RISKS, prepared.device), prepared.attached.as_it_came():
            pass  # to hold both models is what counts
    found.again = times_as_long(prepared)  # after all stages: what it holds in memory is no part of a run
    return found


def _evaluate(prepared: Prepared, found: Rehearsed) -> None:
    """The batch with the longest row, the one with most tokens, and one from the middle, of all rows ever evaluated."""
    rows = [(split, place) for split, part in prepared.rows.items() for place in range(len(part))]
    lengths = [prepared.subject.lengths[split][place] for split, place in rows]
    batches = by_length(lengths, budget=prepared.evaluation_budget)
    tokens = [shape.tokens for shape in shapes(lengths, batches)]
    chosen = [batches[place] for place in dict.fromkeys((0, int(np.argmax(tokens)), len(batches) // 2))]
    costs = costs_of(prepared)
    prepared.attached.eval()
    prepared.subject.look_at(prepared, [rows[place] for place in chosen[0]], warm=True)
    for batch in chosen:
        with found.evaluations.on(evaluation_cost(prepared, costs, [lengths[place] for place in batch])):
            prepared.subject.look_at(prepared, [rows[place] for place in batch])


def _fit(prepared: Prepared, found: Rehearsed) -> None:
    """A linear probe on as many features as there will be, for a few iterations."""
    rows = [min(MOST_ROWS, len(prepared.rows[split])) for split in ("train", "validation")]
    generator = np.random.default_rng(0)
    features = [generator.standard_normal((count, width(prepared.model)), dtype=np.float32) for count in rows]
    classes = prepared.subject.outputs
    targets = [row % classes for row in range(rows[0])]
    few = slice(2 * classes)
    fit_probe(features[0][few], targets[few], classes=classes, strength=START_STRENGTH, iterations=1)  # loads a library
    with found.fits.on(PROBE_ITERATIONS):
        fit_probe(features[0], targets, classes=classes, strength=START_STRENGTH, iterations=PROBE_ITERATIONS)


def _train(prepared: Prepared, loop: Loop[Any], found: Rehearsed) -> None:
    epoch, weighing = batches_of(prepared), costs_of(prepared)
    batches, costs = epoch.places, [weighing.step(shape) for shape in epoch.shapes]
    order = sorted(range(len(batches)), key=lambda place: costs[place])
    # the first two are the largest when padded; where rows share a beginning another one may be
    first, large = order[0], list(dict.fromkeys((0, min(1, len(batches) - 1), order[-1])))
    stepper = loop.stepper
    loop.attached.train()
    heap.give_back()
    kept_small = heap.Heap(largest=1 + len(large))
    held = [batches[first]] if prepared.recipe.train.accumulate > 1 else []
    for place in (first, *large):  # the moments come with the first step: the large batches meet them
        stepper.gradients(split([*held, batches[place]], prepared.parts))
        stepper.move(STILL)
        kept_small.settle()
        found.steps += 1
    begun = time.perf_counter()
    for place in _evenly(order, STEPS - found.steps):
        if found.gradients.cost and time.perf_counter() - begun > ENOUGH_SECONDS and found.moves.cost >= LEAST_TIMED:
            break
        with found.gradients.on(costs[place]):
            stepper.gradients(split([batches[place]], prepared.parts))
        with found.moves.on(1):
            stepper.move(STILL)
            kept_small.settle()
        found.steps += 1


def _evenly(order: Sequence[int], count: int) -> list[int]:
    """So many of a sorted list, from the middle of equal parts; from the middle part outwards, which tells most."""
    parts = min(count, len(order))
    chosen = [order[int((part + 0.5) * len(order) / parts)] for part in range(parts)]
    return sorted(chosen, key=lambda place: abs(chosen.index(place) - (parts - 1) / 2))


def _write(loop: Loop[Any], found: Rehearsed) -> None:
    """The best weights and a checkpoint."""
    with _written(found, "best", loop.folder.best(0)):
        checkpoint.save_best(loop.folder, loop.attached.state_dict(), step=0)
    with _written(found, "checkpoint", loop.folder.step(0)):
        loop.save()


@contextmanager
def _written(found: Rehearsed, name: str, *paths: Path) -> Iterator[None]:
    started = time.perf_counter()
    yield
    found.writes[name] = (sum(map(_size, paths)), time.perf_counter() - started)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
