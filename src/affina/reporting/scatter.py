"""Predicted against true numbers as geometry: where each row's point stands, in the SVG's own units.

Both axes have one scale, so that a row on the diagonal is predicted as it is. The template draws what is here. This
module reads no records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from affina.reporting.curves import LARGEST, Tick, nice_ticks
from affina.reporting.formats import counted, number

WIDTH: Final = 480.0
HEIGHT: Final = 460.0
LEAST_LEFT: Final = 62.0
RIGHT: Final = 22.0
TOP: Final = 14.0
BOTTOM: Final = 66.0
FEWEST_DIGITS: Final = 3
MOST_DIGITS: Final = 15
LETTER: Final = 9.5
"""How wide one is at the most."""
AIR: Final = 0.04
"""Of the scale, free at both ends."""

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Everything a template needs to draw the rows.

    Attributes:
        path: the `d` of a path of points.
        x_ticks: along the bottom, of the true numbers.
        y_ticks: along the left side, of the predicted ones, on the same scale.
        diagonal: where predicted is true: x and y of its two ends.
        description: what a reader who cannot see it should know.
        rows: how many points there are.
        left: where the drawing begins, beside the longest lettering.
    """

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    diagonal: tuple[float, float, float, float]
    description: str
    rows: int
    left: float


def scatter(pairs: Sequence[Pair]) -> Scatter | None:
    """Lay out rows, each as its true and its predicted number; None where there is nothing finite to draw."""
    finite = [pair for pair in pairs if all(math.isfinite(value) and abs(value) < LARGEST for value in pair)]
    if not finite:
        return None
    values = [value for pair in finite for value in pair]
    air = AIR * (max(values) - min(values)) or abs(max(values)) or 1.0
    low, high = min(values) - air, max(values) + air
    ticks = nice_ticks(low, high, count=5)
    written = _apart(ticks)
    left = max(LEAST_LEFT, 16 + LETTER * max(map(len, written)))

    def x_at(value: float) -> float:
        return round(left + (value - low) / (high - low) * (WIDTH - RIGHT - left), 1)

    def y_at(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    return Scatter(
        path="".join(f"M{x_at(true)} {y_at(said)}h0" for true, said in finite),
        x_ticks=_beside(Tick(x_at(tick), text) for tick, text in zip(ticks, written, strict=True)),
        y_ticks=tuple(Tick(y_at(tick), text) for tick, text in zip(ticks, written, strict=True)),
        diagonal=(x_at(low), y_at(low), x_at(high), y_at(high)),
        description=_described(finite),
        rows=len(finite),
        left=left,
    )


def _beside(ticks: Iterable[Tick]) -> tuple[Tick, ...]:
    """Those whose letterings do not touch, on a phone neither."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.at - kept[-1].at > LETTER * (len(tick.text) + 1):
            kept.append(tick)
    return tuple(kept)


def _apart(ticks: Sequence[float]) -> list[str]:
    """Ticks in as few digits as they need: numbers may be far from 0 and near each other."""
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        texts = [f"{tick:.{digits}g}" for tick in ticks]
        if all(math.isclose(float(text), tick, rel_tol=1e-12) for text, tick in zip(texts, ticks, strict=True)):
            return texts
    return [f"{tick:g}" for tick in ticks]


def _described(pairs: Sequence[Pair]) -> str:
    true, said = ([pair[side] for pair in pairs] for side in (0, 1))
    above = sum(one[1] > one[0] for one in pairs)
    return (
        f"{counted(len(pairs), 'rows')}: true numbers from {number(min(true))} to {number(max(true))}, predicted from "
        f"{number(min(said))} to {number(max(said))}; {number(above)} of them are predicted too high."
    )
