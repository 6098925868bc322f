"""Which rows of the training file are held out for validation and test.

Stratified by what the caller says of each row: its label, each of its labels, or the band of its number; units
(`units`) stay whole; every label keeps a row to train on; the same seed and texts give the same split. How many rows
are wanted is `shares`. Files that the user gives as splits never come here.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from affina.data.flat_lists import FlatLists
from affina.data.row_arrays import those
from affina.data.rows import Row
from affina.data.units import units_of

LARGEST_UNIT: Final = 0.5
"""The share of all rows up to which one unit is held out whole where no smaller one is to be had."""
_PART: Final = 10_000


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
) -> dict[str, Sequence[Row]]:
    """The rows divided into `train` and the splits of `wanted`, each in the file's order.

    A split may come out empty where no unit can leave the training rows; the caller judges that.

    Args:
        rows: of the training file.
        wanted: split to its number of rows, the most needed split first.
        strata: the labels of each row; its label field where this is not given.
        seed: decides which rows are drawn.
    """
    each = strata if strata is not None else [(row.fields["label"],) for row in rows]
    names = ("train", *wanted)
    left = Counter(label for found in each for label in found)
    units = _Labelled(units_of(rows, seed=seed), each, left.copy())
    rooms = _rooms(left, wanted, seed, rows=len(rows))
    homes = np.zeros(len(units), dtype=np.int8)
    kept = len(rows)
    refused: set[tuple[str, ...]] = set()  # rooms and what is left only shrink: a row like a refused one is refused too
    for place in units.in_turn():
        alone = units.alone(place)
        if alone is not None and all(room.rows <= 0 for room in rooms.values()):
            break
        if alone in refused:
            continue
        unit, asking = units.at(place), list[str]()
        if kept > unit.rows and _leaves_all(left, unit):
            rarest = None if alone is None else units.rarest(alone)
            asking = [name for name, room in rooms.items() if room.wants(unit, rarest)]
        if asking:
            name = max(asking, key=lambda name: rooms[name].gain(unit))
            homes[place] = names.index(name)
            rooms[name].take(unit)
            left.subtract(unit.labels)
            kept -= unit.rows
        elif alone is not None:
            refused.add(alone)
    for name in wanted:
        if not (homes == names.index(name)).any():
            _force(names.index(name), homes, units, left, rooms[name])
    home_of = np.empty(len(rows), dtype=np.int8)
    home_of[units.members] = np.repeat(homes, units.sizes)
    return {name: those(rows, np.flatnonzero(home_of == number)) for number, name in enumerate(names)}


@final
class _Labelled:
    """Units with their labels; each is made as it is asked for.

    Args:
        units: of the rows.
        each: the labels of each row.
        counts: label to the rows that have it.
    """

    def __init__(self, units: FlatLists, each: Sequence[Sequence[str]], counts: Mapping[str, int]) -> None:
        self._units, self._each, self._counts = units, each, counts
        self.members, self.sizes = units.numbers[:], units.sizes

    def __len__(self) -> int:
        return len(self._units)

    def at(self, place: int) -> _Unit:
        """One of them."""
        members = self._units[place]
        return _Unit(len(members), Counter(label for index in members for label in self._each[index]))

    def alone(self, place: int) -> tuple[str, ...] | None:
        """The labels of a unit of one row; None where it has several."""
        return tuple(self._each[self.members[self._units.ends[place] - 1]]) if self.sizes[place] == 1 else None

    def rarest(self, labels: Sequence[str]) -> str | None:
        """The label that the fewest rows have; None where there is none."""
        return min(set(labels), key=lambda label: (self._counts[label], label), default=None)

    def in_turn(self) -> Iterator[int]:
        """The places of units of several rows first: the single rows then fill up what those leave.

        Those with the rarest labels come first (iterative stratification, Sechidis et al. 2011), those without any
        label last.
        """
        rows: dict[tuple[str, ...], float] = {}
        keys = np.full(len(self), -1.0)
        for place in range(len(self)):
            if (alone := self.alone(place)) is None:
                continue
            if alone not in rows:
                label = self.rarest(alone)
                rows[alone] = math.inf if label is None else float(self._counts[label])
            keys[place] = rows[alone]
        order = np.argsort(keys, kind="stable")
        for start in range(0, len(order), _PART):
            yield from order[start : start + _PART].tolist()


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


def _force(home: int, homes: NDArray[np.int8], units: _Labelled, left: Counter[str], room: _Room) -> None:
    """Give an empty split the unit that overshoots its size least, where none fitted in."""
    total = int(units.sizes.sum())
    kept = int(units.sizes[homes == 0].sum())
    able = {
        place: unit
        for place in np.flatnonzero(homes == 0).tolist()
        if (unit := units.at(place)).rows <= LARGEST_UNIT * total and unit.rows < kept and _leaves_all(left, unit)
    }
    if able:
        place = max(able, key=lambda place: room.gain(able[place]))
        homes[place] = home
        left.subtract(able[place].labels)
