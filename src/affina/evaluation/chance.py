"""Whether two shares differ by more than chance, where many are looked at: Fisher's exact test, corrected.

Two-sided: the tables with the same margins that are no likelier than the one that was found (Fisher 1935). Of many
looks each has its part of the level (Bonferroni), so that clean rows are accused in at most `LEVEL` of audits. This
module knows no rows.
"""

from __future__ import annotations

from math import exp, lgamma
from typing import Final

LEVEL: Final = 0.05
"""Of all looks together."""
LEAST_SUPPORT: Final = 20
"""Rows on each side of a look."""
CONFIDENCE: Final = 0.95
"""Of the intervals that are shown."""
_ROUNDING: Final = 1e-7
"""Two tables whose log-probabilities differ by less are as likely as each other."""


def fisher(hits: tuple[int, int], rows: tuple[int, int]) -> float:
    """The probability of a difference as large as this one, or larger, if there is none.

    Args:
        hits: on each of two sides.
        rows: on each of them.
    """
    drawn, total = sum(hits), sum(rows)
    least, most = max(0, drawn - rows[1]), min(rows[0], drawn)

    def log_chance(first: int) -> float:
        return log_choices(rows[0], first) + log_choices(rows[1], drawn - first) - log_choices(total, drawn)

    found = log_chance(hits[0]) + _ROUNDING
    return min(1.0, sum(exp(each) for each in map(log_chance, range(least, most + 1)) if each <= found))


def log_choices(of: int, chosen: int) -> float:
    """The logarithm of in how many ways so many of so many can be chosen."""
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
