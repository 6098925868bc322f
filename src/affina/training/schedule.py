"""The learning rate over a run, as a factor of its peak: pure functions of the step.

Definitions: linear and cosine decay to zero after a linear warm-up; constant after a warm-up; slanted triangular as in
Howard & Ruder 2018 (ULMFiT), section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from affina.recipe.schema import ScheduleShape

Schedule = Callable[[int], float]
"""Step (from 0) to the factor of the peak rate used in that step."""

RATIO: Final = 32.0


def build(name: ScheduleShape, *, total: int, warmup: int) -> Schedule:
    """The schedule over `total` steps, of which `warmup` rise from near zero to the peak.

    For the slanted triangular schedule these are the paper's `cut`.
    """
    if name == "slanted_triangular":
        return lambda step: slanted_triangular(step, total=total, cut=warmup)
    decay = {"linear": _linear, "cosine": _cosine, "constant": _constant}[name]

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return decay((step - warmup) / max(1, total - warmup))

    return factor


def slanted_triangular(step: int, *, total: int, cut: int, ratio: float = RATIO) -> float:
    """ULMFiT's STLR: a short linear rise over `cut` steps and a long linear fall to 1/`ratio` of the peak.

    The paper's formula divides by `cut` and can fall a little below 1/ratio at the end; both are bounded here.
    """
    progress = step / cut if step < cut else 1 - (step - cut) / max(1, total - cut)
    return (1 + max(0.0, progress) * (ratio - 1)) / ratio


def _linear(progress: float) -> float:
    return max(0.0, 1 - progress)


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _constant(_: float) -> float:
    return 1.0
