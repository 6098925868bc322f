"""What a run writes down of what it did to keep going: a step that was skipped, a way back, batches that were split.

The types are frozen plain data, like all of `payloads`, which has them in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A step whose loss or gradient was not finite: it counts, and nothing moved."""

    step: int
    what: str
    """The loss, or the gradient's norm."""
    value: str
    """`nan`, `inf` or `-inf`, which JSON has no numbers for."""
    rows: tuple[str, ...]
    """The address of every row that was in it."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewound:
    """The weights are those of an earlier step again, and the rest of the plan is trained at a lower rate."""

    step: int
    """After which that happened; the plan goes on with the one after it."""
    to_step: int
    """Whose weights were taken: of the best evaluation so far, 0 for those that training began with."""
    cause: str
    number: int
    """The first is 1."""
    factor: float
    """Of the peak rates, from here on."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchesSplit:
    """Memory ran out in a step: from it on each micro-batch is computed in so many parts, in the same steps."""

    step: int
    parts: int
    text: str
