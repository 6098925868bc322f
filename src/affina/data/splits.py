"""Which rows of the training file are held out for validation and test.

Stratified by what the caller says of each row: its label, each of its labels, or the band of its number; units
(`units`) stay whole; every label keeps a row to train on; the same seed and texts give the same split. How many rows
are wanted is `shares`. Files that the user gives as splits never come here.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.data.rows import Row
from affina.data.units import units_of

LARGEST_UNIT: Final = 0.5
"""The share of all rows up to which one unit is held out whole where no smaller one is to be had."""


@dataclass(slots=True)
class _Room:
    """What a held-out split still takes, in all and of each label; below zero it has more than it should."""

    rows: int
    labels: Counter[str]

    def gain(self, unit: _Unit) -> int:
        """How much nearer the split comes to its sizes with the unit: in rows, plus in rows of each label."""
        nearer = abs(self.rows) - abs(self.rows - unit.rows)
        labels = unit.labels.items()
        return nearer + sum(abs(self.labels[label]) - abs(self.labels[label] - count) for label, count in labels)

    def wants(self, unit: _Unit, rarest: str | None) -> bool:
        """Whether the split comes nearer to its sizes; a single row is not taken for its other labels' sake."""
        if unit.rows == 1 and rarest is not None and self.labels[rarest] <= 0:
            return False
        return self.gain(unit) > 0

    def take(self, unit: _Unit) -> None:
        self.rows -= unit.rows
        self.labels.subtract(unit.labels)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows that stay together: how many, and how many of each label; a row may have several, or none."""

    rows: int
    labels: Counter[str]


def hold_out(
    rows: Sequence[Row], wanted: Mapping[str, int], strata: Sequence[Sequence[str]] | None = None, *, seed: int
) -> dict[str, tuple[Row, ...]]:
    """The rows divided into `train` and the splits of `wanted`, each in the file's order.

    A split may come out empty where no unit can leave the training rows; the caller judges that.

    Args:
        rows: of the training file.
        wanted: split to its number of rows, the most needed split first.
        strata: the labels of each row; its label field where this is not given.
        seed: decides which rows are drawn.
    """
    units = units_of(rows, seed=seed)
    each = strata if strata is not None else [(row.fields["label"],) for row in rows]
    labels = [_Unit(len(unit), Counter(label for index in unit for label in each[index])) for unit in units]
    left = Counter(label for found in each for label in found)
    rooms = _rooms(left, wanted, seed, rows=len(rows))
    rarest = [_rarest(unit, dict(left)) for unit in labels]
    # Units of several rows first: the single rows then fill up what those leave, those with the rarest labels first
    # (iterative stratification, Sechidis et al. 2011), those without any label last.
    order = sorted(range(len(units)), key=lambda place: (len(units[place]) == 1, rarest[place][0]))
    homes: dict[int, str] = {}
    kept = len(rows)
    for place in order:
        if len(units[place]) == 1 and all(room.rows <= 0 for room in rooms.values()):
            break
        if kept > labels[place].rows and _leaves_all(left, labels[place]):
            asking = [name for name, room in rooms.items() if room.wants(labels[place], rarest[place][1])]
            if asking:
                name = max(asking, key=lambda name: rooms[name].gain(labels[place]))
                homes[place] = name
                rooms[name].take(labels[place])
                left.subtract(labels[place].labels)
                kept -= labels[place].rows
    for name in wanted:
        if name not in homes.values():
            _force(name, homes, labels, left, rooms[name])
    return _gather(rows, units, homes, ("train", *wanted))


def _rarest(unit: _Unit, counts: Mapping[str, int]) -> tuple[float, str | None]:
    """Of a single row how many rows have the rarest of its labels, and that label; else nothing to sort by."""
    if unit.rows > 1:
        return 0.0, None
    label = min(unit.labels, key=lambda label: (counts[label], label), default=None)
    return (math.inf if label is None else float(counts[label])), label


def _rooms(counts: Counter[str], wanted: Mapping[str, int], seed: int, *, rows: int) -> dict[str, _Room]:
    """Each split's rows by label: proportional, rounded by largest remainder, one row a label left to train on."""
    left = Counter({label: count - 1 for label, count in counts.items()})
    rooms = {}
    for name, size in wanted.items():
        exact = {label: size * count / rows for label, count in counts.items()}
        total = round(sum(exact.values()))
        quota = Counter({label: min(int(share), left[label]) for label, share in exact.items()})
        # Among equal remainders chance decides, for each split anew: else all would take the same classes.
        ranked = sorted(counts, key=lambda label: (-(exact[label] % 1), _draw(f"{seed}\0{name}\0{label}")))
        for label in ranked:
            if quota.total() < total and quota[label] < left[label]:
                quota[label] += 1
        left.subtract(quota)
        rooms[name] = _Room(size, quota)
    return rooms


def _draw(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _leaves_all(left: Counter[str], unit: _Unit) -> bool:
    """Whether every label of the unit stays in training without it."""
    return all(left[label] > count for label, count in unit.labels.items())


def _force(name: str, homes: dict[int, str], labels: Sequence[_Unit], left: Counter[str], room: _Room) -> None:
    """Give an empty split the unit that overshoots its size least, where none fitted in."""
    total = sum(unit.rows for unit in labels)
    kept = total - sum(labels[place].rows for place in homes)
    able = [
        place
        for place, unit in enumerate(labels)
        if place not in homes and _leaves_all(left, unit) and unit.rows <= LARGEST_UNIT * total and unit.rows < kept
    ]
    if able:
        place = max(able, key=lambda place: room.gain(labels[place]))
        homes[place] = name
        left.subtract(labels[place].labels)


def _gather(
    rows: Sequence[Row], units: Sequence[Iterable[int]], homes: Mapping[int, str], names: Sequence[str]
) -> dict[str, tuple[Row, ...]]:
    home_of = {index: homes.get(place, "train") for place, unit in enumerate(units) for index in unit}
    found: dict[str, list[Row]] = {name: [] for name in names}
    for index, row in enumerate(rows):
        found[home_of[index]].append(row)
    return {name: tuple(members) for name, members in found.items()}
