"""A figure with its interval, and how many rows it takes to settle anything.

The type is frozen plain data, like all of `payloads`, which use it. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_ROWS: Final = 20
"""Rows that settle anything. The percentile bootstrap is too sure of itself below: of differences that are zero on
average (normal, t with 3 degrees of freedom, six values), 95% intervals left out zero 16% of the time on 5 rows, 10% on
10 and 8% on 20 (1,500 draws each; docs/log.md, 2026-11-29, how many rows a verdict needs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure with its bootstrap interval over `n` rows."""

    value: float
    low: float
    high: float
    n: int
