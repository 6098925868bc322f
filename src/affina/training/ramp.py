"""The learning-rate range test (Smith 2017, section 3.3), read by how far the weights must go.

On a copy of the weights the rate grows step by step. What Smith reads off the curve is where the loss starts to fall
and where it rises again; with a few dozen steps the second is a matter of luck, the first is not. AdamW moves a weight
by about its rate in each step, so the sum of the rates is the length of the path; the length at which the loss has
fallen by a set amount differs between tasks and models as their useful rates do, and comes out the same on other rows.
The rate that is spoken for makes that path in `PATH` steps.

Two things keep the curve clean: the loss is compared with that of the untouched weights on the same rows, and both are
taken without dropout. The rate to train with lies half-way between that and the prior, in the logarithm, and never
further than `NEAR` from the test's; docs/log.md has the sweeps behind these figures. This module does not decide
whether a test is worth its steps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from affina.methods.base import Attached
from affina.runtime import heap, randomness
from affina.training.plan import Window
from affina.training.stepping import B, Stepper

BELOW: Final = 10.0
"""The ramp starts at the prior over this,"""
ABOVE: Final = 30.0
"""and ends at the prior times this, or earlier: at a loss that says that the weights are ruined."""
PATH: Final = 3.5
"""Steps at the rate that is spoken for which make the path to the set fall of the loss,"""
PATH_OF_A_HEAD: Final = 0.6
"""and where nothing but a head moves: it has nothing to forget, and takes larger steps."""
FALL: Final = 0.05
"""Of the loss of guessing by the classes' shares: the fall that is looked for."""
NEAR: Final = 3.0
SMOOTHING: Final = 2
"""Neighbours on each side in the mean that smooths the curve; half as many in a ramp of under `FINE` steps."""
LARGEST: Final = 2
"""Steps that hold the largest batches: they come first."""
FINE: Final = 24
RUINED: Final = 3.0
"""Times the start's loss (but at least as many nats): no higher rate needs to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTest:
    """What the test saw.

    Attributes:
        rates: the body's rate at each step.
        changes: the loss in nats before that step, minus that of the untouched weights on the same rows.
        smooth: the running mean of `changes`.
        fall: what was looked for, in nats.
        rate: the rate that the curve speaks for, or None where it does not fall so far: the test says nothing.
    """

    rates: tuple[float, ...]
    changes: tuple[float, ...]
    smooth: tuple[float, ...]
    fall: float
    rate: float | None

    def is_calm_up_to(self, rate: float) -> bool:
        """Whether the ramp went as far as a rate, and no loss on the way there rose by what a fall was looked for."""
        seen = [rise for at, rise in zip(self.rates, self.smooth, strict=True) if at <= rate]
        return len(seen) < len(self.rates) and max(seen, default=0.0) < self.fall

    def meet(self, prior: float) -> float:
        """The rate to train with: half-way to the prior, as far as that is near enough."""
        if self.rate is None:
            return prior
        return min(max(math.sqrt(self.rate * prior), self.rate / NEAR), self.rate * NEAR)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for on the curve, and what it says.

    Attributes:
        fall: of the loss, in nats.
        steps: at the rate that is spoken for these make the path to that fall.
    """

    fall: float
    steps: float

    @classmethod
    def of(cls, guessing: float, *, head_alone: bool) -> Goal:
        """The goal where guessing by the classes' shares costs `guessing` nats."""
        return cls(FALL * guessing, PATH_OF_A_HEAD if head_alone else PATH)


@final
class Ramp:
    """Growing rates, evenly spaced in the logarithm.

    Args:
        prior: the body's rate in the middle of what is expected.
        steps: how many.
    """

    def __init__(self, prior: float, *, steps: int) -> None:
        low, high = math.log(prior / BELOW), math.log(prior * ABOVE)
        self.rates = tuple(math.exp(low + (high - low) * place / (steps - 1)) for place in range(steps))


def range_test(
    stepper: Stepper[B], windows: Sequence[Window], attached: Attached, *, ramp: Ramp, peak: float, goal: Goal
) -> RangeTest:
    """Step along the ramp on a copy of the weights; weights and random states stand afterwards as they stood before.

    Args:
        stepper: with an optimizer of its own, which is worth nothing afterwards.
        windows: the rows of each step, as many as the ramp has.
        attached: the model with its method.
        ramp: the body's rates.
        peak: the body's rate in the stepper's optimizer at factor 1.
        goal: the fall that is looked for, and what it says.
    """
    kept = {name: tensor.to("cpu", copy=True) for name, tensor in attached.state_dict().items()}
    changes: list[float] = []
    with randomness.untouched():
        attached.eval()
        heap.give_back()
        kept_small = heap.Heap(largest=LARGEST)
        before = [stepper.loss(window) for window in windows]
        try:
            for rate, window, first in zip(ramp.rates, windows, before, strict=True):
                attached.eval()
                loss = stepper.loss(window)
                changes.append(min(loss, _bound(first)) - first if math.isfinite(loss) else _bound(first) - first)
                if not loss < _bound(first):
                    break
                attached.train()
                if not math.isfinite(stepper.gradients(window).norm) and not stepper.scales:
                    break
                stepper.move(rate / peak)
                kept_small.settle()
        finally:
            stepper.forget()
            attached.load_state_dict(kept)
    return judge(ramp.rates[: len(changes)], changes, goal)


def judge(rates: Sequence[float], changes: Sequence[float], goal: Goal) -> RangeTest:
    """The rate that a curve of loss changes (nats) over rates speaks for, if it falls far enough."""
    smooth = _smoothed(changes)
    gone = [0.0, *itertools.accumulate(rates)]
    there = next((place for place in range(1, len(smooth)) if smooth[place] <= -goal.fall), None)
    rate = None
    if there is not None:
        above, below = smooth[there - 1], smooth[there]
        share = min(1.0, max(0.0, (above + goal.fall) / (above - below))) if above > below else 0.0
        rate = (gone[there - 1] + share * rates[there - 1] or rates[0]) / goal.steps
    return RangeTest(rates=tuple(rates), changes=tuple(changes), smooth=tuple(smooth), fall=goal.fall, rate=rate)


def _bound(first: float) -> float:
    return first + max(RUINED, RUINED * first)


def _reach(values: Sequence[float]) -> int:
    return SMOOTHING if len(values) >= FINE else SMOOTHING // 2


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean over each value and its neighbours, fewer at the ends."""
    reach = _reach(values)
    windows = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]
