"""Intervals of shares of few rows, in closed form: a bootstrap of rows that are all alike has no width at all.

Wilson's score interval of one share (Wilson 1927), and of the difference of two that are independent Newcombe's hybrid
of their score intervals (Newcombe 1998, method 10). Of two shares of the same rows it is the same hybrid with their
correlation in it (Newcombe 1998, "paired data", method 10).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from affina.record.figures import Measured

Answers = Sequence[bool]
"""For each row whether it is a hit."""


def share_of(hits: int, rows: int, *, confidence: float) -> Measured:
    """The share of `hits` in `rows`, one at least."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, shrink = hits / rows, 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / shrink
    half = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / shrink
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Measured(value=share, low=low if hits else 0.0, high=high if hits < rows else 1.0, n=rows)


def widened(found: Measured, *, confidence: float) -> Measured:
    """A share whose bootstrap has no width, since it is 0 or 1 of every draw: with the ends of `share_of`.

    Of a share of rows that is its score interval; of F1, of which it is said too, about that of its recall.
    """
    if found.value not in (0.0, 1.0) or found.low != found.high or not found.n:
        return found
    return share_of(round(found.value * found.n), found.n, confidence=confidence)


def all_widened(found: Sequence[Measured], *, but: Sequence[int], confidence: float) -> list[Measured]:
    """`widened`, of all but those in the places `but`, which are no shares of rows."""
    return [one if place in but else widened(one, confidence=confidence) for place, one in enumerate(found)]


def difference_of(first: Measured, second: Measured) -> Measured:
    """The first share minus the second, both from `share_of`, of different rows."""
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Measured(value=value, low=low, high=high, n=min(first.n, second.n))


def paired_difference_of(first: Answers, second: Answers, *, confidence: float) -> Measured:
    """The share of hits of the first minus that of the second, of the same rows, one at least."""
    rows = len(first)
    one, two = (share_of(sum(hits), rows, confidence=confidence) for hits in (first, second))
    together = _correlation(first, second)
    value = one.value - two.value
    low = value - _apart(one.value - one.low, two.high - two.value, together)
    high = value + _apart(one.high - one.value, two.value - two.low, together)
    return Measured(value=value, low=low, high=high, n=rows)


def _apart(one: float, two: float, together: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * together * one * two + two * two))


def _correlation(first: Answers, second: Answers) -> float:
    """Of two columns of hits, a positive one nearer to 0 by the continuity correction; 0 where a column is constant."""
    rows, hits, others = len(first), sum(first), sum(second)
    both = sum(one and two for one, two in zip(first, second, strict=True))
    size = hits * (rows - hits) * others * (rows - others)
    product = float(rows * both - hits * others)
    if product > 0:
        product = max(0.0, product - rows / 2)
    return product / math.sqrt(size) if size else 0.0
