"""Pareto fronts: the candidates that nobody beats in quality without costing more. It knows no candidate's method."""

from __future__ import annotations

import math
from collections.abc import Mapping

Place = tuple[float, float]
"""What a candidate costs, and how good it is, higher being better."""


def front(places: Mapping[str, Place]) -> tuple[str, ...]:
    """The names on the front, the cheapest first.

    A candidate is left out where another one costs no more and is no worse, and is better in one of the two. Equals
    are on it together; what is no finite number is not on it.
    """
    finite = {name: place for name, place in places.items() if all(map(math.isfinite, place))}
    on_it = [name for name, place in finite.items() if not any(_beats(other, place) for other in finite.values())]
    return tuple(sorted(on_it, key=lambda name: finite[name]))


def _beats(one: Place, other: Place) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other
