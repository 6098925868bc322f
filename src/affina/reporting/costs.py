"""What candidates cost, for the reader: the words for each cost and how it is written, in tables and in drawings.

Which costs there are says `record.compared`. This module measures nothing and ranks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from affina.record.compared import Standing
from affina.reporting.formats import duration, mebibytes, number, percent, sized

TIMES: Final = ((1.0, "s"), (60.0, "min"), (3600.0, "h"))
SIZES: Final = ((2.0**20, "MiB"), (2.0**30, "GiB"))
UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Cost:
    """How a cost is called and written.

    Attributes:
        name: over a column of a table, and of a drawing.
        cell: a value in a table.
        short: a value in few letters, in a drawing.
        units: of an axis on which equal differences are equally far apart, from the smallest: how large each is, and
            its name; empty where tens are equally far apart.
    """

    name: str
    cell: Callable[[float], str]
    short: Callable[[float], str]
    units: tuple[tuple[float, str], ...] = ()

    @property
    def logarithmic(self) -> bool:
        """Whether tens are equally far apart on its axis."""
        return not self.units


@dataclass(frozen=True, slots=True)
class Paid:
    """One cost of one candidate, as a table has it.

    Attributes:
        text: the value; empty where it is not known.
        aside: what stands behind it in small letters; may be empty.
        on_front: whether the candidate is on the Pareto front of this cost.
    """

    text: str
    aside: str
    on_front: bool


def short(value: float) -> str:
    """A count in few letters: `2.4 M`, `77 k`."""
    for size, letter in UNITS:
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


COSTS: Final[Mapping[str, Cost]] = {
    "trained": Cost("weights trained", number, short),
    "seconds": Cost("time of training", duration, duration, TIMES),
    "memory_bytes": Cost("peak memory", mebibytes, mebibytes, SIZES),
    "bytes": Cost("bytes to ship", sized, lambda size: f"{short(size)}B"),
}
"""By the names of `record.compared.COSTS`, and in their order."""


def paid(one: Standing) -> Iterator[Paid]:
    """What a candidate cost, in the order of `COSTS`."""
    asides = {"trained": share_trained(one), "bytes": f"{one.ships}/" if one.ships else ""}
    for key, cost in COSTS.items():
        if key in one.costs:
            yield Paid(cost.cell(one.costs[key]), asides.get(key, ""), key in one.fronts)
        else:
            yield Paid("", "", on_front=False)


def share_trained(one: Standing) -> str:
    """How many weights trained, as a share of the model's own: `2.5%`; empty where that is not known."""
    return percent(one.costs["trained"] / one.parameters) if "trained" in one.costs and one.parameters else ""
