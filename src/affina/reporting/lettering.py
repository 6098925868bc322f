"""Where the names of points stand in a drawing, so that they touch neither each other nor a point.

The units are the SVG's own. This module draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LETTER: Final = 9.2
"""How wide one is on a phone, about."""
LINE: Final = 19.0
"""How high a line of letters is there."""
GAP: Final = 10.0
"""Between a point and its name."""
DOT: Final = 7.0
"""From the middle of a point to its edge, with some air."""
LONGEST_NAME: Final = 22
STEPS: Final = 14
"""Heights that are tried for a name, further and further from its point."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """A name, the place of its base line, on which side of that it stands, and whether it is far from its point."""

    text: str
    x: float
    y: float
    anchor: str
    far: bool


def lettered(names: Sequence[str], points: Sequence[tuple[float, float]], *, within: Box) -> list[Lettering | None]:
    """A place for each name, as near to its point as it goes, the first ones first; None where there is no room.

    Args:
        names: long ones are shortened.
        points: in the same order.
        within: where names may stand.
    """
    taken: list[Box] = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in points]
    found: list[Lettering | None] = []
    for name, (x, y) in zip(names, points, strict=True):
        text = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
        wide = LETTER * len(text)
        free = (place for place in _around(x, y) if not _touches(_box(place, wide), taken, within))
        place = next(free, None)
        if place is None:
            found.append(None)
            continue
        taken.append(_box(place, wide))
        at, middle, anchor = place
        found.append(Lettering(text, round(at, 1), round(middle + 5, 1), anchor, abs(middle - y) > LINE))
    return found


def _around(x: float, y: float) -> Iterator[tuple[float, float, str]]:
    """Places for a name: right and left of its point, then above and below, then further away."""
    for step in range(STEPS):
        away = LINE / 2 * math.ceil(step / 2) * (-1 if step % 2 else 1)
        yield x + GAP, y + away, "start"
        yield x - GAP, y + away, "end"


def _box(place: tuple[float, float, str], wide: float) -> Box:
    x, middle, anchor = place
    left = x if anchor == "start" else x - wide
    return left, middle - LINE / 2, left + wide, middle + LINE / 2


def _touches(box: Box, taken: Sequence[Box], within: Box) -> bool:
    """Whether a box touches another one, or leaves the drawing."""
    if box[0] < within[0] or box[1] < within[1] or box[2] > within[2] or box[3] > within[3]:
        return True
    return any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken)
