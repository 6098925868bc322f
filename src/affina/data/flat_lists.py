"""Lists of small numbers in two flat arrays, where as Python's own each number would take forty bytes."""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from affina.data.on_access import OnAccess


class Numbers(Protocol):
    """Numbers of which parts are read: an array in memory, or a file."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        """Those of a part, in their order."""
        ...


@final
class FlatLists(OnAccess[tuple[int, ...]]):
    """Lists of numbers, one after the other.

    Args:
        numbers: all of them.
        ends: where in `numbers` each list ends, one for each.

    Raises:
        ValueError: the two do not belong together.
    """

    def __init__(self, numbers: Numbers, ends: NDArray[np.int64]) -> None:
        if len(numbers) != (ends[-1] if len(ends) else 0) or (np.diff(ends, prepend=0) < 0).any():
            raise ValueError("lists that do not end where their numbers do")
        self.numbers, self.ends = numbers, ends

    def __len__(self) -> int:
        return len(self.ends)

    def at(self, place: int) -> tuple[int, ...]:
        """The numbers of one list."""
        start = self.ends[place - 1] if place else 0
        return tuple(self.numbers[start : self.ends[place]].tolist())

    def size(self, place: int) -> int:
        """How many numbers one list has."""
        return int(self.ends[place] - (self.ends[place - 1] if place else 0))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """[lists], how many numbers each has."""
        return np.diff(self.ends, prepend=0)

    @property
    def lengths(self) -> list[int]:
        """The same as a list."""
        found: list[int] = self.sizes.tolist()
        return found

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """What a file needs."""
        return {name: self.numbers[:], f"{name}-ends": self.ends}
