"""How much work a run is, in tokens that go through all of its model forward: what its probes may take a share of.

It hangs on the recipe and the rows alone, never on the clock. Left out is what a run may be spared, such as baselines
that an earlier run has measured, and attention: the longer the rows, the more of both sides of the share that is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from affina.data.mixing import seen_in, weights_of
from affina.methods.reach import lowest_reached
from affina.models.frozen_prefix import Cut
from affina.models.packed import numbers_in, sizes_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import judged_places, plan_of, stages_in, turns_in
from affina.training.plan import Plan

AROUND: Final = 1e11
"""What every run does however little it trains: it starts, reads the model, and writes its files and its report. In
multiplications that go through a block's weights meanwhile, about five seconds of one core,"""
LEAST_WEIGHTS: Final = 10_000_000
"""of models no smaller than this: the products of a smaller one are no faster for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The weights of a model's blocks, as often as a token goes through them.

    Attributes:
        forward: in all blocks.
        reached: in those that the backward pass comes through.
        backward: the same, those that train counted twice.
        known: in the frozen blocks whose states the run keeps, and steps over, on the mean of its steps.
        once: in those that are run for that, once over the rows.
        lowest: the number of the first block that is reached.
    """

    forward: int
    reached: int
    backward: int
    known: float
    once: int
    lowest: int


def passed_of(run: Prepared, names: Collection[str] | None = None) -> Passed:
    """Those of a run's model with the method that is on it, where `names` of what trains do, or all of it."""
    module, anatomy = run.model.module, run.model.anatomy
    trained = run.attached.state_dict().keys() if names is None else names
    lowest = lowest_reached(module, anatomy, trained)
    forward = backward = reached = 0
    for name, size in sizes_of(module):
        number = anatomy.block_of(name)
        if number is not None:
            forward += size
            reached += size * (number >= lowest)
            backward += size * (1 + (name in trained)) * (number >= lowest)
    known, once = _stepped_over(run)
    return Passed(forward=forward, reached=reached, backward=backward, known=known, once=once, lowest=lowest)


def weights_in(run: Prepared, cut: Cut) -> int:
    """The weights of the blocks that are stepped over."""
    return sum(numbers_in(run.model.module.get_submodule(path)) for path in cut.blocks)


def _stepped_over(run: Prepared) -> tuple[float, int]:
    """See `Passed.known` and `Passed.once`."""
    if run.kept is None:
        return 0, 0
    known, once = 0.0, 0
    for stretch in run.kept.stretches:
        before, weights = run.kept.before(stretch), weights_in(run, stretch.cut)
        known += stretch.share * weights
        once += weights - (weights_in(run, before.cut) if before else 0)
    return known, once


def tokens_of_epoch(run: Prepared) -> int:
    """Those of the rows that an epoch goes over, each as often as its file's weight has it."""
    weights, lengths = weights_of(run.rows["train"], run.loaded.weights), run.subject.lengths["train"]
    return sum(lengths[place] for place in seen_in(weights, seed=run.draws, epoch=0))


def stages_and_shares(run: Prepared, plan: Plan) -> list[tuple[frozenset[str], float]]:
    """Where not all that trains does so in every step: what trains in a stretch of the run, and its share of the steps.

    Empty where it does.
    """
    if not (stages := stages_in(run, plan)):
        return []
    ends = [*(stage.start for stage in stages[1:]), plan.total_steps]
    return [(stage.names, (end - stage.start) / plan.total_steps) for stage, end in zip(stages, ends, strict=True)]


def effort_of(run: Prepared, tokens: int, plan: Plan | None = None) -> float:
    """A run's start and end, training, evaluations, and the report on the tuned model.

    Args:
        run: that was trained, or will be.
        tokens: that its training reads, each as often as it does.
        plan: its steps, where they are laid out already.

    Returns:
        Tokens that go through the whole model forward.
    """
    passed, lengths = passed_of(run), run.subject.lengths
    known = passed.known / passed.forward
    epochs = tokens / max(1, tokens_of_epoch(run))
    judged = sum(lengths["validation"][place] for place in judged_places(run))
    evaluated = judged * (1 + epochs * run.hyper.per_epoch.value)
    once = passed.once / passed.forward * (sum(lengths["train"]) + judged)
    trained = (1 - known + _backward(run, passed, plan) / passed.forward) * tokens
    around = AROUND / max(LEAST_WEIGHTS, passed.forward)
    return around + once + trained + (1 - known) * evaluated + run.subject.report_work(run)


def _backward(run: Prepared, passed: Passed, plan: Plan | None) -> float:
    """The weights of a backward pass, on the mean of the steps."""
    turns = turns_in(run)
    if turns is None or not turns.stages:
        return passed.backward
    return sum(share * passed_of(run, names).backward for names, share in stages_and_shares(run, plan or plan_of(run)))
