"""What a check comes to: that a guarantee holds, that it is broken, or why it is not one of this run's.

Plain data for the terminal and for programs. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Standing = Literal["passed", "failed", "not applicable"]
SINGLE: Final = 1e-5
"""Relative, in float32: what the order of sums may change (design, section 5)."""
DOUBLE: Final = 1e-9
"""The same in float64."""
EXACT: Final = 0.0
"""Bit for bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One line of a verification.

    Attributes:
        name: of the check.
        standing: passed, failed, or not applicable.
        said: in words what holds, what is broken, or why there is nothing to check.
        figure: what was measured; None where nothing was.
        bound: the most that it may be.
    """

    name: str
    standing: Standing
    said: str
    figure: float | None = None
    bound: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


Tell = Callable[[Guarantee], None]
"""Given each guarantee as soon as it is known."""


def within(name: str, figure: float, bound: float, *, holds: str, broken: str) -> Guarantee:
    """A guarantee that holds where the figure is at most the bound; one that is no number breaks it.

    Args:
        name: of the check.
        figure: what was measured.
        bound: the most that it may be.
        holds: what is said where it holds.
        broken: what is said where it does not.
    """
    passed = figure <= bound
    standing: Standing = "passed" if passed else "failed"
    return Guarantee(name=name, standing=standing, said=holds if passed else broken, figure=figure, bound=bound)


def failed(name: str, said: str) -> Guarantee:
    """A guarantee that is broken without a figure: something that should have worked did not."""
    return Guarantee(name=name, standing="failed", said=said)


def absent(name: str, why: str) -> Guarantee:
    """A check that this run has no place for."""
    return Guarantee(name=name, standing="not applicable", said=why)
