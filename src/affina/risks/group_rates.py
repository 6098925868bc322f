"""Rates of groups of people that are compared with each other: which there are, and how far they lie apart.

For each label: of each group, how many rows get the label (parity), how many of those that have it, and how many of
those that have not (odds). A group is compared where it has `LEAST_ROWS` rows for the rate; what is left out so is
told (`uncompared`).

The largest of many differences is never 0 by chance alone, and a bootstrap of it neither. So its interval is made of
those of all pairs of groups (Newcombe 1998, method 10), each at the level that holds for all of them together
(Bonferroni): it lies above a limit only where one pair surely does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.intervals import Floats
from affina.evaluation.judging.base import Targets
from affina.evaluation.proportions import difference_of, share_of
from affina.record.figures import LEAST_ROWS, Measured

Answered = NDArray[np.int64]
_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of groups that are compared with each other.

    Attributes:
        of: which rows a rate is of, [rates, rows] of 0 and 1.
        label: the label whose share it is, [rates].
        compared: rates of the same number are compared with each other, [rates], in order.
    """

    of: Floats
    label: NDArray[np.int64]
    compared: NDArray[np.int64]

    def largest(self, answered: Answered, weights: Floats) -> float:
        """The largest difference of two rates that are compared; one that these weights leave without rows is none."""
        hits = self.of * (answered[None, :] == self.label[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = (hits @ weights) / (self.of @ weights)
        starts = np.flatnonzero(np.diff(self.compared, prepend=-1))
        spread = np.fmax.reduceat(rates, starts) - np.fmin.reduceat(rates, starts)
        return float(np.nanmax(spread)) if np.isfinite(spread).any() else float("nan")

    def measured(self, answered: Answered, *, confidence: float) -> Measured:
        """`largest`, with an interval that holds for all pairs together."""
        rows = self.of.sum(axis=1).astype(int)
        hits = (self.of * (answered[None, :] == self.label[:, None])).sum(axis=1).astype(int)
        pairs = [
            pair
            for number in np.unique(self.compared)
            for pair in combinations(np.flatnonzero(self.compared == number).tolist(), 2)
        ]
        level = 1 - (1 - confidence) / len(pairs)
        shares = [
            share_of(hit, count, confidence=level) for hit, count in zip(hits.tolist(), rows.tolist(), strict=True)
        ]
        found = [difference_of(shares[first], shares[second]) for first, second in pairs]
        return Measured(
            value=max(abs(one.value) for one in found),
            low=max(max(0.0, one.low, -one.high) for one in found),
            high=max(max(one.high, -one.low) for one in found),
            n=int(rows.min()),
        )


def rates_of(groups: Sequence[str], targets: Targets, *, labels: int, odds: bool) -> Rates | None:
    """The rates that have rows enough in two groups at least; None where there is none.

    Args:
        groups: of each row.
        targets: its right answer, [rows].
        labels: how many there are.
        odds: rates of the rows that have a label, and of those that have not; else of all rows of a group.
    """
    of: list[Floats] = []
    places: list[tuple[int, int]] = []
    for number, (label, _, of_groups) in enumerate(_conditions(groups, targets, labels=labels, odds=odds)):
        rows = [one for one in of_groups.values() if one.sum() >= LEAST_ROWS]
        if len(rows) > 1:
            of += [one.astype(np.float64) for one in rows]
            places += [(label, number)] * len(rows)
    if not of:
        return None
    label, compared = np.asarray(places, dtype=np.int64).T
    return Rates(np.stack(of), label, compared)


def _conditions(
    groups: Sequence[str], targets: Targets, *, labels: int, odds: bool
) -> Iterator[tuple[int, bool, dict[str, NDArray[np.bool_]]]]:
    """A label, whether its rows have it, and group to its rows of the condition; without odds that is all its rows."""
    members = {group: np.asarray([group == one for one in groups]) for group in sorted(set(groups))}
    for label in range(1, 2) if labels == 2 else range(labels):
        has = targets == label
        for having, condition in ((True, has), (False, ~has)) if odds else ((True, np.ones_like(has)),):
            yield label, having, {group: member & condition for group, member in members.items()}


@dataclass(frozen=True, slots=True)
class Uncompared:
    """What the odds leave out, of groups that have rows enough in all.

    Attributes:
        rows: the rows of which no two groups have enough, in words; none where all are compared.
        groups: the same of one group, where others are compared, with how many it has.
    """

    rows: tuple[str, ...]
    groups: tuple[str, ...]


def uncompared(groups: Sequence[str], targets: Targets, labels: Sequence[str]) -> Uncompared:
    """What of the rates of `rates_of(..., odds=True)` cannot be compared.

    Args:
        groups: of each row.
        targets: its right answer, [rows].
        labels: by their places.
    """
    large = {group for group in groups if groups.count(group) >= LEAST_ROWS}
    rows: list[str] = []
    some: list[str] = []
    for label, having, of_groups in _conditions(groups, targets, labels=len(labels), odds=True):
        counts = {group: int(of_groups[group].sum()) for group in sorted(large)}
        few = [group for group, count in counts.items() if count < LEAST_ROWS]
        what = labels[label] if having else labels[0] if len(labels) == 2 else f"others than {labels[label]}"
        if sum(counts.values()) and len(counts) - len(few) < 2:
            rows.append(what)
        elif few:
            some.append(f"{', '.join(f'{group} ({counts[group]})' for group in few)} of {what}")
    return Uncompared(tuple(rows), tuple(some))


def briefly(rows: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = len(rows) - _MOST_NAMED
    return ", ".join(rows[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
