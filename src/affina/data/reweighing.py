"""Weights of rows with which label and group are independent: Kamiran & Calders 2012, algorithm 3 (reweighing).

A row of group g with label y weighs P(g) P(y) / P(g, y): as many as there would be of its kind if labels did not go by
group, for each that there is. This module knows no loss; how a weight acts is each task's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from affina.data.people import ROLE
from affina.data.rows import Row


@dataclass(frozen=True, slots=True)
class Reweighed:
    """What rows weigh.

    Attributes:
        weights: of each row; 1 where it has no group.
        empty: pairs of a group and a label that no row has: no weight makes up for these.
        grouped: rows that have a group.
    """

    weights: tuple[float, ...]
    empty: tuple[tuple[str, str], ...]
    grouped: int


def reweighed(rows: Sequence[Row], seen: Sequence[float]) -> Reweighed:
    """The weights of rows by their fields `people` and `label`.

    Args:
        rows: of one split.
        seen: how often an epoch has each of them.
    """
    groups, labels = defaultdict[str, float](float), defaultdict[str, float](float)
    both = defaultdict[tuple[str, str], float](float)
    for row, times in zip(rows, seen, strict=True):
        if group := row.fields.get(ROLE, ""):
            groups[group] += times
            labels[row.fields["label"]] += times
            both[group, row.fields["label"]] += times
    total = sum(groups.values())

    def weight(row: Row) -> float:
        group, label = row.fields.get(ROLE, ""), row.fields["label"]
        return groups[group] * labels[label] / (total * both[group, label]) if group else 1.0

    empty = tuple((group, label) for group in sorted(groups) for label in sorted(labels) if (group, label) not in both)
    return Reweighed(tuple(map(weight, rows)), empty, sum(bool(row.fields.get(ROLE, "")) for row in rows))
