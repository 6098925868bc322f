"""Which rows of the training file are held out for validation and test.

Stratified by label; units (`units`) stay whole; every class keeps a row to train on; the same seed and texts give the
same split. How many rows are wanted is `shares`. Files that the user gives as splits never come here.
"""

from __future__ import annotations

import hashlib
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

    def gain(self, unit: Counter[str]) -> int:
        """How much nearer the split comes to its sizes with the unit: in rows, plus in rows of each label."""
        size = unit.total()
        nearer = abs(self.rows) - abs(self.rows - size)
        return nearer + sum(abs(self.labels[label]) - abs(self.labels[label] - count) for label, count in unit.items())

    def take(self, unit: Counter[str]) -> None:
        self.rows -= unit.total()
        self.labels.subtract(unit)


def hold_out(rows: Sequence[Row], wanted: Mapping[str, int], *, seed: int) -> dict[str, tuple[Row, ...]]:
    """The rows divided into `train` and the splits of `wanted`, each in the file's order.

    A split may come out empty where no unit can leave the training rows; the caller judges that.

    Args:
        rows: of the training file.
        wanted: split to its number of rows, the most needed split first.
        seed: decides which rows are drawn.
    """
    units = units_of(rows, seed=seed)
    labels = [Counter(rows[index].fields["label"] for index in unit) for unit in units]
    left = Counter(row.fields["label"] for row in rows)
    rooms = _rooms(left, wanted, seed)
    # Units of several rows first: the single rows then fill up what those leave.
    order = sorted(range(len(units)), key=lambda place: len(units[place]) == 1)
    homes: dict[int, str] = {}
    for place in order:
        if len(units[place]) == 1 and all(room.rows <= 0 for room in rooms.values()):
            break
        if _leaves_all(left, labels[place]):
            name = max(rooms, key=lambda name: rooms[name].gain(labels[place]), default="train")
            if name in rooms and rooms[name].gain(labels[place]) > 0:
                homes[place] = name
                rooms[name].take(labels[place])
                left.subtract(labels[place])
    for name in wanted:
        if name not in homes.values():
            _force(name, homes, labels, left, rooms[name])
    return _gather(rows, units, homes, ("train", *wanted))


def _rooms(counts: Counter[str], wanted: Mapping[str, int], seed: int) -> dict[str, _Room]:
    """Each split's rows by label: proportional, rounded by largest remainder, one row a label left to train on."""
    left = Counter({label: count - 1 for label, count in counts.items()})
    rooms = {}
    for name, size in wanted.items():
        exact = {label: size * count / counts.total() for label, count in counts.items()}
        quota = Counter({label: min(int(share), left[label]) for label, share in exact.items()})
        # Among equal remainders chance decides, for each split anew: else all would take the same classes.
        ranked = sorted(counts, key=lambda label: (-(exact[label] % 1), _draw(f"{seed}\0{name}\0{label}")))
        for label in ranked:
            if quota.total() < size and quota[label] < left[label]:
                quota[label] += 1
        left.subtract(quota)
        rooms[name] = _Room(size, quota)
    return rooms


def _draw(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _leaves_all(left: Counter[str], unit: Counter[str]) -> bool:
    """Whether every label of the unit stays in training without it."""
    return all(left[label] > count for label, count in unit.items())


def _force(name: str, homes: dict[int, str], labels: Sequence[Counter[str]], left: Counter[str], room: _Room) -> None:
    """Give an empty split the unit that overshoots its size least, where none fitted in."""
    total = sum(unit.total() for unit in labels)
    able = [
        place
        for place, unit in enumerate(labels)
        if place not in homes and _leaves_all(left, unit) and unit.total() <= LARGEST_UNIT * total
    ]
    if able:
        place = max(able, key=lambda place: room.gain(labels[place]))
        homes[place] = name
        left.subtract(labels[place])


def _gather(
    rows: Sequence[Row], units: Sequence[Iterable[int]], homes: Mapping[int, str], names: Sequence[str]
) -> dict[str, tuple[Row, ...]]:
    home_of = {index: homes.get(place, "train") for place, unit in enumerate(units) for index in unit}
    found: dict[str, list[Row]] = {name: [] for name in names}
    for index, row in enumerate(rows):
        found[home_of[index]].append(row)
    return {name: tuple(members) for name, members in found.items()}
