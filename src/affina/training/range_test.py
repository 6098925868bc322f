"""The learning-rate range test (Smith 2017, section 3.3).

On a copy of the weights the rate grows step by step, and the loss tells where it starts to help and where to harm.
Two things make a few dozen steps enough. The loss is compared with that of the untouched weights on the same rows, so
that easy and hard batches cancel out. And only the range is covered in which the answer can lie, around the prior.

The rate at which the smoothed curve is lowest is too high to train with: there the gain of a step and its harm are
level. The rate that is used lies `MARGIN` below it; docs/log.md has the sweeps behind that figure. This module decides
neither whether a test is worth its steps, nor what is done with the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from affina.methods.base import Attached
from affina.runtime import randomness
from affina.training.plan import Window
from affina.training.stepping import B, Stepper

BELOW: Final = 30.0
"""The ramp starts at the prior over this,"""
ABOVE: Final = 100.0
"""and ends at the prior times this, or earlier: at a loss that says that the weights are ruined."""
MARGIN: Final = 8.0
SMOOTHING: Final = 2
"""Neighbours on each side in the mean that smooths the curve."""
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
        rate: the rate to train with, or None where the curve does not fall: the test says nothing.
    """

    rates: tuple[float, ...]
    changes: tuple[float, ...]
    smooth: tuple[float, ...]
    lowest: float
    rate: float | None


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
    quiet = changes[: max(2, len(changes) // 4)]
    noise = math.sqrt(sum(change**2 for change in quiet) / len(quiet))
    falls = -smooth[place] > LEAST_FALL * noise / math.sqrt(2 * SMOOTHING + 1)
    return RangeTest(
        rates=tuple(rates),
        changes=tuple(changes),
        smooth=tuple(smooth),
        lowest=rates[place],
        rate=rates[place] / MARGIN if falls else None,
    )


def _bound(first: float) -> float:
    return first + max(RUINED, RUINED * first)


def _is_ruined(loss: float, first: float) -> bool:
    return not loss < _bound(first)  # also what is not a number


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean over each value and its neighbours, fewer at the ends."""
    windows = (values[max(0, place - SMOOTHING) : place + SMOOTHING + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]
