"""Quality against a cost as geometry: where each candidate's point, whisker and name stand, and the Pareto front.

The units are the SVG's own; the template draws what is here. This module reads no record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from affina.record.figures import Measured
from affina.reporting.costs import Cost
from affina.reporting.curves import Tick, nice_ticks
from affina.reporting.formats import capital, listed
from affina.reporting.lettering import LETTER, Lettering, lettered

WIDTH: Final = 480.0
HEIGHT: Final = 330.0
LEFT: Final = 66.0
RIGHT: Final = 22.0
TOP: Final = 22.0
BOTTOM: Final = 60.0
AIR: Final = 0.08
LEAST_UNITS: Final = 3.0
"""So many of a unit the largest value has at least."""


@dataclass(frozen=True, slots=True)
class Named:
    """A candidate to draw: what it costs, how good it is, and whether it is on the front."""

    name: str
    cost: float
    quality: Measured
    on_front: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A drawn candidate: its place, the ends of its whisker, and where its name stands, if there is room for it."""

    name: str

    x: float
    y: float
    low: float
    high: float
    on_front: bool
    lettering: Lettering | None


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Everything a template needs to draw one.

    Attributes:
        title: the heading.
        description: what a reader who cannot see it should know.
        points: the candidates.
        front: the `points` of the line through the front.
        x_ticks: along the bottom.
        y_ticks: along the left side.
        baseline: the height of the strongest baseline, and its name; None where it is off the scale.
        axis: what runs along the bottom.
        measure: what runs upwards.
    """

    title: str
    description: str
    points: tuple[Point, ...]
    front: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    baseline: tuple[float, str] | None
    axis: str
    measure: str

    @property
    def unnamed(self) -> int:
        """How many candidates have no room for their names."""
        return sum(point.lettering is None for point in self.points)


def trade_off(
    candidates: Sequence[Named], cost: Cost, *, measure: str, write: Callable[[float], str], baseline: Named | None
) -> TradeOff | None:
    """Lay out candidates; None where fewer than two can be drawn.

    Args:
        candidates: the best first.
        cost: what runs along the bottom.
        measure: the reader's word for the quality.
        write: a quality for the reader.
        baseline: a line at its quality, where it is not far below all candidates.
    """
    shown = [one for one in candidates if _is_finite(one, cost)]
    if len(shown) < 2:
        return None
    x_at, x_ticks = _across([one.cost for one in shown], cost)
    ends = [end for one in shown for end in (one.quality.low, one.quality.high, one.quality.value)]
    span = (max(ends) - min(ends)) or abs(max(ends)) or 1.0
    near = baseline is not None and min(ends) - span <= baseline.quality.value <= max(ends) + span
    ends += [baseline.quality.value] if baseline is not None and near else []
    low, high = min(ends) - AIR * span, max(ends) + AIR * span

    def y_at(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    front = sorted((one for one in shown if one.on_front), key=lambda one: (one.cost, one.quality.value))
    return TradeOff(
        title=capital(cost.name),
        description=_described(shown, front, cost, measure, write),
        points=tuple(_placed(shown, x_at, y_at)),
        front=" ".join(f"{x_at(one.cost)},{y_at(one.quality.value)}" for one in front),
        x_ticks=x_ticks,
        y_ticks=tuple(Tick(y_at(tick), write(tick)) for tick in nice_ticks(low, high, count=4)),
        baseline=(y_at(baseline.quality.value), baseline.name) if baseline is not None and near else None,
        axis=f"{cost.name} (logarithmic)" if cost.logarithmic else cost.name,
        measure=measure,
    )


def _is_finite(one: Named, cost: Cost) -> bool:
    quality = one.quality
    known = all(map(math.isfinite, (one.cost, quality.low, quality.value, quality.high)))
    return known and (one.cost > 0 or not cost.logarithmic)


def _across(values: Sequence[float], cost: Cost) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """The map along the bottom, and its ticks."""
    scale = math.log10 if cost.logarithmic else float
    places = [scale(value) for value in values]
    low, high = min(places), max(places)
    air = 0.1 * (high - low) or (0.5 if cost.logarithmic else abs(high) / 2 or 0.5)
    low, high = low - air, high + air

    def x_at(value: float) -> float:
        return round(LEFT + (scale(value) - low) / (high - low) * (WIDTH - RIGHT - LEFT), 1)

    if cost.logarithmic:
        return x_at, _beside(Tick(x_at(tick), cost.short(tick)) for tick in _tens(low, high))
    size, unit = next((one for one in reversed(cost.units) if high >= LEAST_UNITS * one[0]), cost.units[0])
    ticks = [tick for tick in nice_ticks(low / size, high / size, count=4) if tick >= 0]
    return x_at, _beside(Tick(x_at(tick * size), f"{tick:,g} {unit}") for tick in ticks)


def _tens(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms; where there are few, their twos and fives as well."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1,), (1, 2, 5), tuple(range(1, 10))):
        found = [step * 10.0**power for power in powers for step in steps if low <= math.log10(step) + power <= high]
        if len(found) >= 2:
            return found
    return [10 ** ((low + high) / 2)]


def _beside(ticks: Iterable[Tick]) -> tuple[Tick, ...]:
    """Those whose letterings do not touch, nor leave the drawing, on a phone neither."""
    kept: list[Tick] = []
    for tick in ticks:
        half = LETTER * len(tick.text) / 2
        if tick.at + half > WIDTH:
            continue
        if not kept or tick.at - half > kept[-1].at + LETTER * (len(kept[-1].text) / 2 + 1):
            kept.append(tick)
    return tuple(kept)


def _placed(shown: Sequence[Named], x_at: Callable[[float], float], y_at: Callable[[float], float]) -> Iterable[Point]:
    """Each candidate with its name where it touches no other name and no point, as near as it goes."""
    places = [(x_at(one.cost), y_at(one.quality.value)) for one in shown]
    written = lettered([one.name for one in shown], places, within=(LEFT, 0.0, WIDTH, HEIGHT - BOTTOM))
    for one, (x, y), lettering in zip(shown, places, written, strict=True):
        low, high = y_at(one.quality.low), y_at(one.quality.high)
        yield Point(one.name, x, y, low=low, high=high, on_front=one.on_front, lettering=lettering)


def _described(
    shown: Sequence[Named], front: Sequence[Named], cost: Cost, measure: str, write: Callable[[float], str]
) -> str:
    each = "; ".join(f"{one.name}: {write(one.quality.value)} for {cost.short(one.cost)}" for one in shown)
    names = listed([one.name for one in front])
    verb = "is" if len(front) == 1 else "are"
    return f"{measure} against {cost.name}. {each}. On the Pareto front {verb} {names}."
