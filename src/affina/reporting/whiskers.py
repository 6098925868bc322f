"""Figures with their intervals on one scale, as geometry: where each point and each whisker stands, in percent.

The template draws what is here. This module reads no records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from affina.record.figures import Measured

AIR: Final = 0.06
"""Of the scale, left free at both ends."""
MOST_OFF: Final = 4.0
"""A figure further from the first ones than so many times their span is off the scale: it would press them together."""
FIRST: Final = 2
"""Figures that the scale is made for: the tuned model's and its strongest rival's."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """One figure: its value and the ends of its interval, from 0 to 100 along the scale."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Scale:
    """All figures on one scale.

    Attributes:
        low: the value at its beginning.
        high: the value at its end.
        places: who to its whisker; one that is off the scale, or no number, is not there.
    """

    low: float
    high: float
    places: dict[str, Whisker]


def whiskers(figures: Mapping[str, Measured], *, first: int = FIRST, off: float = MOST_OFF) -> Scale | None:
    """Lay out figures, the most important first; None where none of them is a number.

    Args:
        figures: who to its figure.
        first: how many of them the scale is made for.
        off: how many times their span the others may be from them.
    """
    finite = {who: one for who, one in figures.items() if all(map(math.isfinite, (one.low, one.value, one.high)))}
    if not finite:
        return None
    low, high = _span(list(finite.values())[:first])
    wide = off * (high - low)
    near = {who: one for who, one in finite.items() if low - wide <= one.low and one.high <= high + wide}
    low, high = _span(list(near.values()))
    air = AIR * ((high - low) or abs(high) or 1.0)
    low, high = low - air, high + air

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    places = {who: Whisker(at(one.low), at(one.value), at(one.high)) for who, one in near.items()}
    return Scale(low, high, places)


def _span(figures: list[Measured]) -> tuple[float, float]:
    return min(min(one.low, one.value) for one in figures), max(max(one.high, one.value) for one in figures)
