"""How much work a run is, in tokens that go through all of its model forward: what its probes may take a share of.

It hangs on the recipe and the rows alone, never on the clock. Left out is what a run may be spared, such as baselines
that an earlier run has measured, and attention: the longer the rows, the more of both sides of the share that is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from affina.methods.reach import lowest_reached
from affina.models.packed import numbers_in, sizes_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import judged_places

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
        known: in the frozen blocks whose states the run keeps, and steps over.
        lowest: the number of the first block that is reached.
    """

    forward: int
    reached: int
    backward: int
    known: int
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
    stepped_over = () if run.kept is None else run.kept.cut.blocks
    known = sum(numbers_in(module.get_submodule(path)) for path in stepped_over)
    return Passed(forward=forward, reached=reached, backward=backward, known=known, lowest=lowest)


def work_of(run: Prepared, tokens: int) -> float:
    """A run's start and end, training, evaluations, and the report on the tuned model.

    Args:
        run: that was trained, or will be.
        tokens: that its training reads, each as often as it does.

    Returns:
        Tokens that go through the whole model forward.
    """
    passed, lengths = passed_of(run), run.subject.lengths
    known = passed.known / passed.forward
    epochs = tokens / max(1, sum(lengths["train"]))
    judged = sum(lengths["validation"][place] for place in judged_places(run))
    evaluated = judged * (1 + epochs * run.hyper.per_epoch.value)
    once = known * (sum(lengths["train"]) + judged)
    trained = (1 - known + passed.backward / passed.forward) * tokens
    around = AROUND / max(LEAST_WEIGHTS, passed.forward)
    return around + once + trained + (1 - known) * evaluated + run.subject.report_work(run)
