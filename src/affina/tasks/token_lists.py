"""Rows as tokens in a few flat arrays, where as Python's numbers each token would take forty bytes.

An array may be in memory or be read from a file as it is needed; nobody who reads a row sees which. Owns the arrays and
their files. What makes tokens of texts is `texts`; which files may be trusted is whoever keeps them.
"""

from __future__ import annotations

import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from affina.data.flat_lists import FlatLists
from affina.data.on_access import OnAccess
from affina.tasks.base import Example, Target

NARROW: Final = 2**16
"""Token ids below this take two bytes."""


@final
class Lists:
    """Lists that come in parts, as `FlatLists` in memory.

    Args:
        below: all numbers are smaller than this.
    """

    def __init__(self, *, below: int) -> None:
        self._numbers = array.array("B" if below <= 2**8 else "H" if below <= NARROW else "I")
        self._ends = array.array("q")

    def add(self, numbers: Iterable[int]) -> None:
        """One list more."""
        self._numbers.extend(numbers)
        self._ends.append(len(self._numbers))

    def whole(self) -> FlatLists:
        """All of them; nothing may be added any more."""
        numbers = np.frombuffer(self._numbers, dtype=f"u{self._numbers.itemsize}") if self._numbers else _EMPTY
        ends = np.frombuffer(self._ends, dtype=np.int64) if self._ends else np.zeros(0, np.int64)
        return FlatLists(numbers, ends)


_EMPTY: Final = np.zeros(0, np.uint8)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenized:
    """Texts as a model reads them, within a limit.

    Attributes:
        ids: token ids of each row, special tokens included.
        types: segment ids; None where the model has none.
        whole: tokens that each row has without the limit.
    """

    ids: FlatLists
    types: FlatLists | None
    whole: NDArray[np.int64]

    def of(self, places: Sequence[int]) -> Tokenized:
        """Those of some rows, in this order."""
        types = None if self.types is None else _some(self.types, places)
        return Tokenized(ids=_some(self.ids, places), types=types, whole=self.whole[list(places)])

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, a file for each array."""
        arrays = self.ids.arrays("ids") | {"whole": self.whole}
        for name, values in (arrays | (self.types.arrays("types") if self.types is not None else {})).items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)


def _some(lists: FlatLists, places: Sequence[int]) -> FlatLists:
    found = Lists(below=2**32)
    for place in places:
        found.add(lists[place])
    return found.whole()


def opened(folder: Path) -> Tokenized:
    """What `save` wrote, read from its files as it is needed.

    Raises:
        OSError: a file is not there.
        ValueError: what is there is no such array, or they do not belong together.
    """

    def read(name: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return found

    ids = FlatLists(read("ids"), read("ids-ends"))
    types = FlatLists(read("types"), read("types-ends")) if (folder / "types.npy").is_file() else None
    found = Tokenized(ids=ids, types=types, whole=read("whole"))
    if len(found.whole) != len(ids) or (types is not None and types.lengths != ids.lengths):
        raise ValueError("arrays of different rows")
    return found


@final
class Examples(OnAccess[Example]):
    """Rows with their right answers; each is made when it is asked for.

    Args:
        tokens: of the rows.
        targets: of the same rows.
    """

    def __init__(self, tokens: Tokenized, targets: Sequence[Target]) -> None:
        if len(tokens.ids) != len(targets):
            raise ValueError(f"{len(tokens.ids)} rows with {len(targets)} targets")
        self._tokens, self._targets = tokens, targets

    def __len__(self) -> int:
        return len(self._targets)

    def at(self, place: int) -> Example:
        """One row."""
        types = self._tokens.types
        return Example(self._tokens.ids[place], None if types is None else types[place], self._targets[place])
