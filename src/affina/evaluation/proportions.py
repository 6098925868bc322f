"""Intervals of shares of few rows, in closed form: a bootstrap of rows that are all alike has no width at all.

Wilson's score interval of one share (Wilson 1927), and of the difference of two that are independent Newcombe's hybrid
of their score intervals (Newcombe 1998, method 10).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from affina.record.figures import Measured


def share_of(hits: int, rows: int, *, confidence: float) -> Measured:
    """The share of `hits` in `rows`, one at least."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, shrink = hits / rows, 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / shrink
    half = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / shrink
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Measured(value=share, low=low if hits else 0.0, high=high if hits < rows else 1.0, n=rows)


def difference_of(first: Measured, second: Measured) -> Measured:
    """The first share minus the second, both from `share_of`, of different rows."""
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Measured(value=value, low=low, high=high, n=min(first.n, second.n))
