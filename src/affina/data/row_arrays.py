"""Rows in a few flat arrays: as Python's objects each would take a kilobyte, here hardly more than its letters.

A row is made when somebody asks for it, equal to the one that was added. What reads files is `taking`; few rows are
held as they are, since those are found faster.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from affina.data.on_access import OnAccess
from affina.data.rows import Row

_FEW: Final = 1_000
"""Different cells of a role, such as labels, of which each row has a number in the place of its letters."""
_PART: Final = 10_000
_SURROGATES: Final = "surrogatepass"


@final
class _Cells:
    """The cells of one role, in the rows' order.

    Args:
        blank: rows before the first one with this role.
    """

    def __init__(self, *, blank: int) -> None:
        self._numbers: dict[str, int] = {}
        self._few: list[str] = []
        self._codes = array("H")
        self._letters: bytearray | None = None
        self._ends = array("q")
        for _ in range(blank):
            self.add("")

    def add(self, cell: str) -> None:
        """One more."""
        if self._letters is not None:
            self._spell(self._letters, cell)
        elif (number := self._numbers.get(cell)) is not None:
            self._codes.append(number)
        elif len(self._few) < _FEW:
            self._codes.append(self._numbers.setdefault(cell, len(self._few)))
            self._few.append(cell)
        else:
            self._letters = bytearray()
            for before in self._codes:
                self._spell(self._letters, self._few[before])
            self._spell(self._letters, cell)
            self._numbers, self._few, self._codes = {}, [], array("H")

    def at(self, place: int) -> str:
        """The cell of a row."""
        if self._letters is None:
            return self._few[self._codes[place]]
        start = self._ends[place - 1] if place else 0
        return self._letters[start : self._ends[place]].decode("utf-8", _SURROGATES)

    def _spell(self, letters: bytearray, cell: str) -> None:
        letters += cell.encode("utf-8", _SURROGATES)
        self._ends.append(len(letters))


@final
class Rows(OnAccess[Row]):
    """Rows one after the other, added as they are read."""

    def __init__(self) -> None:
        self._cells: dict[str, _Cells] = {}
        self._roles: list[tuple[str, ...]] = []
        self._files: list[str] = []
        self._shapes: dict[tuple[str, tuple[str, ...]], int] = {}
        self._shape_of, self._numbers, self._lines = array("I"), array("I"), array("I")

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, row: Row) -> None:
        """One more; its roles are those of its file's other rows, or it is the first that has them."""
        roles = tuple(row.fields)
        shape = self._shapes.get((row.file, roles))
        if shape is None:
            shape = self._shapes[row.file, roles] = len(self._roles)
            self._roles.append(roles)
            self._files.append(row.file)
            for role in roles:
                self._cells.setdefault(role, _Cells(blank=len(self)))
        for role, cells in self._cells.items():
            cells.add(row.fields.get(role, ""))
        self._shape_of.append(shape)
        self._numbers.append(row.number)
        self._lines.append(row.line)

    def at(self, place: int) -> Row:
        """One of them."""
        shape = self._shape_of[place]
        fields = {role: self._cells[role].at(place) for role in self._roles[shape]}
        return Row(fields, self._files[shape], self._numbers[place], self._lines[place])

    def __iter__(self) -> Iterator[Row]:
        return map(self.at, range(len(self)))


@final
class _Some(OnAccess[Row]):
    """Some of the rows, in an order of their own."""

    def __init__(self, rows: Rows, places: NDArray[np.integer]) -> None:
        self.rows = rows
        self.places: NDArray[Any] = places.astype(np.uint32 if len(rows) < 2**32 else np.int64)

    def __len__(self) -> int:
        return len(self.places)

    def at(self, place: int) -> Row:
        """One of them."""
        return self.rows.at(int(self.places[place]))

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), _PART):
            yield from map(self.rows.at, self.places[start : start + _PART].tolist())


def those(rows: Sequence[Row], places: Iterable[int] | NDArray[np.integer]) -> Sequence[Row]:
    """The rows of some places, in their order; of rows in arrays without making any."""
    if not isinstance(rows, Rows | _Some):
        return tuple(rows[place] for place in places)
    found = np.asarray(places if isinstance(places, np.ndarray) else list(places), dtype=np.int64)
    if isinstance(rows, Rows):
        return _Some(rows, found)
    return _Some(rows.rows, rows.places[found])
