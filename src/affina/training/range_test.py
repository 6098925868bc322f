"""The learning-rate range test (Smith 2017, section 3.3).

On a copy of the weights the rate grows step by step, and the loss tells where it starts to help and where to harm.
Two things make a few dozen steps enough. The loss is compared with that of the untouched weights on the same rows, so
that easy and hard batches cancel out. And only the range is covered in which the answer can lie, around the prior.

The rate at which the smoothed curve is lowest is too high to train with: there the gain of a step and its harm are
level. The curve speaks for a rate `MARGIN` below it. A few dozen steps place that within a factor of about 3, no better
than our priors do, and their errors have nothing in common; so the rate that is used lies half-way between the two, in
the logarithm, and never further than `NEAR` from the curve's. docs/log.md has the sweeps behind these figures. This
module does not decide whether a test is worth its steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from affina.methods.base import Attached
from affina.runtime import randomness
from affina.training.plan import Window
from affina.training.stepping import B, Stepper

BELOW: Final = 10.0
"""The ramp starts at the prior over this,"""
ABOVE: Final = 64.0
"""and ends at the prior times this, or earlier: at a loss that says that the weights are ruined."""
MARGIN: Final = 4.0
NEAR: Final = 3.0
SMOOTHING: Final = 2
"""Neighbours on each side in the mean that smooths the curve; half as many in a ramp of under `FINE` steps."""
FINE: Final = 24
RUINED: Final = 3.0
"""Times the start's loss (but at least as many nats): no higher rate needs to be looked at."""
LEAST_FALL: Final = 4.0
"""Standard errors of a point by which the curve must fall: less is noise, and says nothing of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTest:
    """What the test saw.

    Attributes:
        rates: the body's rate at each step.
        changes: the loss in nats before that step, minus that of the untouched weights on the same rows.
        smooth: the running mean of `changes`.
        lowest: the rate at which `smooth` is lowest.
        rate: the rate that the curve speaks for, or None where it does not fall: the test says nothing.
    """

    rates: tuple[float, ...]
    changes: tuple[float, ...]
    smooth: tuple[float, ...]
    lowest: float
    rate: float | None

    def meet(self, prior: float) -> float:
        """The rate to train with: half-way to the prior, as far as that is near enough."""
        if self.rate is None:
            return prior
        return min(max(math.sqrt(self.rate * prior), self.rate / NEAR), self.rate * NEAR)


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
    stepper: Stepper[B], windows: Sequence[Window], attached: Attached, *, ramp: Ramp, peak: float
) -> RangeTest:
    """Step along the ramp on a copy of the weights; weights and random states stand afterwards as they stood before.

    Args:
        stepper: with an optimizer of its own, which is worth nothing afterwards.
        windows: the rows of each step, as many as the ramp has.
        attached: the model with its method.
        ramp: the body's rates.
        peak: the body's rate in the stepper's optimizer at factor 1.
    """
    kept = {name: tensor.clone() for name, tensor in attached.state_dict().items()}
    attached.train()
    losses: list[float] = []
    with randomness.untouched():
        before = [stepper.loss(window) for window in windows]
        try:
            for rate, window in zip(ramp.rates, windows, strict=True):
                found = stepper.gradients(window)
                losses.append(found.loss)
                if _is_ruined(found.loss, before[len(losses) - 1]) or not math.isfinite(found.norm):
                    break
                stepper.move(rate / peak)
        finally:
            stepper.forget()
            attached.load_state_dict(kept)
    changes = [min(loss, _bound(first)) - first for loss, first in zip(losses, before, strict=False)]
    return judge(ramp.rates[: len(changes)], changes)


def judge(rates: Sequence[float], changes: Sequence[float]) -> RangeTest:
    """The rate that a curve of loss changes (nats) over rates speaks for."""
    smooth = _smoothed(changes)
    place = min(range(len(smooth)), key=lambda place: smooth[place])
    noise = _noise(changes[: max(3, len(changes) // 4)])
    falls = -smooth[place] > LEAST_FALL * noise / math.sqrt(2 * _reach(changes) + 1)
    return RangeTest(
        rates=tuple(rates),
        changes=tuple(changes),
        smooth=tuple(smooth),
        lowest=rates[place],
        rate=rates[place] / MARGIN if falls else None,
    )


def _noise(changes: Sequence[float]) -> float:
    """The standard error of a point, from the differences of neighbours at the low end: there the curve is smooth."""
    steps = [after - before for before, after in pairwise(changes)]
    return math.sqrt(sum(step**2 for step in steps) / (2 * max(1, len(steps))))


def _bound(first: float) -> float:
    return first + max(RUINED, RUINED * first)


def _is_ruined(loss: float, first: float) -> bool:
    return not loss < _bound(first)  # also what is not a number


def _reach(values: Sequence[float]) -> int:
    return SMOOTHING if len(values) >= FINE else SMOOTHING // 2


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean over each value and its neighbours, fewer at the ends."""
    reach = _reach(values)
    windows = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]
