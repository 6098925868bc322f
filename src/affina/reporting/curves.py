"""Line charts as geometry: where the lines, ticks and labels of an SVG stand, in the SVG's own units.

The template draws what is here, so that every text goes through its escaping. This module reads no records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 480.0
HEIGHT: Final = 288.0
LEFT: Final = 62.0
RIGHT: Final = 22.0
TOP: Final = 14.0
BOTTOM: Final = 58.0
"""Room for the ticks and, below them, the axis's name, at the size that letters have on a phone."""
MOST_POINTS: Final = 400
"""A line with more points is drawn through the means of equally many neighbours; the page says so."""
LARGEST: Final = 1e150
MOST_LINES: Final = 4
"""Kinds of line that the eye tells apart."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name in the legend and its points in the units of the data, in the order of x."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in the SVG's units, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn line: the `points` attribute of its polyline, and its last point for a line of a single point."""

    name: str
    path: str
    ends: Point


@dataclass(frozen=True, slots=True)
class Axis:
    """What runs along the bottom.

    Attributes:
        name: written below it.
        write: a place on it for the reader.
        integers: whether there is nothing between two whole numbers.
    """

    name: str
    write: Callable[[float], str]
    integers: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the axis with a vertical line, and what that says, with `{}` for the place as the axis writes it."""

    at: float
    meaning: str


STEPS: Final = Axis("step", lambda step: f"{step:,.0f}", True)
EPOCHS: Final = Axis("epoch", lambda epoch: f"{epoch:,.4g}", False)
RATES: Final = Axis("learning rate (logarithmic)", lambda power: rate(10**power), False)
"""The places are the logarithms to base 10."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything a template needs to draw one chart.

    Attributes:
        title: the heading, and the SVG's title.
        description: what a reader who cannot see the lines should know.
        lines: what is drawn.
        x_ticks: along the bottom.
        y_ticks: along the left side.
        marks: where vertical lines stand, with what they say.
        axis: what runs along the bottom.
        averaged: whether a line was drawn through means.
    """

    title: str
    description: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    axis: str
    averaged: bool


def chart(
    title: str,
    series: Sequence[Series],
    *,
    write: Callable[[float], str],
    marks: Sequence[Mark] = (),
    axis: Axis = STEPS,
) -> Chart | None:
    """Lay out a chart of one or more lines; None where there is no finite point to draw.

    Args:
        title: the heading.
        series: the lines; points that are not finite are left out.
        write: how a value is written, on the axis and in the description.
        marks: the places on the axis to mark with a vertical line.
        axis: what runs along the bottom.
    """
    finite = [Series(line.name, tuple(filter(_is_finite, line.points))) for line in series]
    shown = [line for line in finite if line.points]
    if not shown:
        return None
    thin = [Series(line.name, _thinned(line.points)) for line in shown]
    places = [mark for mark in marks if math.isfinite(mark.at)]
    xs = [x for line in thin for x, _ in line.points] + [mark.at for mark in places]
    ys = [y for line in thin for _, y in line.points]
    x_at, x_marks = _axis(xs, start=LEFT, end=WIDTH - RIGHT, count=5)
    y_at, y_marks = _axis(ys, start=HEIGHT - BOTTOM, end=TOP, count=5)
    return Chart(
        title=title,
        description=" ".join(_described(line, write) for line in shown),
        lines=tuple(_drawn(line, x_at, y_at) for line in thin),
        x_ticks=tuple(Tick(x_at(x), axis.write(x)) for x in x_marks if not axis.integers or float(x).is_integer()),
        y_ticks=tuple(Tick(y_at(y), write(y)) for y in y_marks),
        marks=tuple(Tick(x_at(mark.at), mark.meaning.format(axis.write(mark.at))) for mark in places),
        axis=axis.name,
        averaged=any(len(line.points) > MOST_POINTS for line in shown),
    )


def rate(value: float) -> str:
    """A learning rate: `2e-4`, `3.2e-5`."""
    digits, power = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def nice_ticks(low: float, high: float, *, count: int) -> list[float]:
    """About `count` round numbers from `low` to `high`, one or two steps of 1, 2 or 5 times a power of ten apart."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / count
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.8)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _is_finite(point: Point) -> bool:
    """Whether a point can be drawn: not beyond `LARGEST`, where differences leave the range of numbers."""
    return all(math.isfinite(value) and abs(value) < LARGEST for value in point)


def _thinned(points: tuple[Point, ...]) -> tuple[Point, ...]:
    size = math.ceil(len(points) / MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return tuple((sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups)


def _axis(
    values: Sequence[float], *, start: float, end: float, count: int
) -> tuple[Callable[[float], float], list[float]]:
    """The map from data to SVG units, with some air around a line that never changes, and the ticks."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) / 2 or 0.5), high + (abs(high) / 2 or 0.5)
    return (lambda value: start + (value - low) / (high - low) * (end - start)), nice_ticks(low, high, count=count)


def _drawn(line: Series, x_at: Callable[[float], float], y_at: Callable[[float], float]) -> Line:
    places = [(round(x_at(x), 1), round(y_at(y), 1)) for x, y in line.points]
    return Line(line.name, " ".join(f"{x},{y}" for x, y in places), places[-1])


def _described(line: Series, write: Callable[[float], str]) -> str:
    values = [y for _, y in line.points]
    return (
        f"{line.name}: from {write(values[0])} to {write(values[-1])} over {len(values)} points, "
        f"lowest {write(min(values))}, highest {write(max(values))}."
    )
