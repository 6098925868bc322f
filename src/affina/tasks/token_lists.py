"""Rows as tokens in a few flat arrays, where as Python's numbers each token would take forty bytes.

An array may be in memory or be read from a file as it is needed; nobody who reads a row sees which. Owns the arrays and
their files. What makes tokens of texts is `texts`; which files may be trusted is whoever keeps them.
"""

from __future__ import annotations

import array
import os
import sys
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from affina.data.flat_lists import FlatLists, Numbers
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
class SegmentIds:
    """Segment ids of rows that come in parts: as long as all are 0, as of single texts, nothing is held of them."""

    def __init__(self) -> None:
        self._zeros = 0
        self._numbers: array.array[int] | None = None
        self._known = False

    def add(self, numbers: Sequence[int] | None) -> None:
        """Those of one row more; None where the model has none."""
        self._known = self._known or numbers is not None
        if self._numbers is None and not any(numbers or ()):
            self._zeros += len(numbers or ())
            return
        if self._numbers is None:
            self._numbers = array.array("B", bytes(self._zeros))
        self._numbers.extend(numbers or ())

    def whole(self, ids: FlatLists) -> FlatLists | None:
        """All of them beside the rows' token ids; None where the model has none."""
        if not self._known:
            return None
        return _segments(_EMPTY if self._numbers is None else np.frombuffer(self._numbers, dtype=np.uint8), ids)


def _segments(numbers: Numbers, ids: FlatLists) -> FlatLists:
    """Segment ids beside token ids; of no numbers at all, one 0 that stands for each of them."""
    return FlatLists(numbers if len(numbers) else np.broadcast_to(_ZERO, len(ids.numbers)), ids.ends)


_ZERO: Final = np.uint8(0)


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
    whole: NDArray[np.int32]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.ids)

    def of(self, places: Sequence[int]) -> Tokenized:
        """Those of some rows, in this order."""
        ids, types = Lists(below=2**32), SegmentIds()
        for place in places:
            ids.add(self.ids[place])
            types.add(None if self.types is None else self.types[place])
        chosen = ids.whole()
        return Tokenized(ids=chosen, types=types.whole(chosen), whole=self.whole[list(places)])

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, a file for each array; segment ids that are all 0 are a file of none."""
        arrays = self.ids.arrays("ids") | {"whole": self.whole}
        if self.types is not None:
            types = self.types.numbers[:]
            arrays["types"] = types if types.any() else _EMPTY
        for name, values in arrays.items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)


def opened(folder: Path) -> Tokenized:
    """What `save` wrote, read from its files as it is needed.

    Raises:
        OSError: a file is not there.
        ValueError: what is there is no such array, or they do not belong together.
    """
    ids = opened_lists(folder, "ids")
    types = _segments(_InFile(folder / "types.npy"), ids) if (folder / "types.npy").is_file() else None
    found = Tokenized(ids=ids, types=types, whole=_mapped(folder / "whole.npy"))
    if len(found.whole) != len(ids):
        raise ValueError("arrays of different rows")
    return found


def opened_lists(folder: Path, name: str) -> FlatLists:
    """Lists whose `FlatLists.arrays(name)` are in a folder's files, read from these as they are needed.

    Raises:
        OSError: a file is not there.
        ValueError: what is there is no such array, or they do not belong together.
    """
    return FlatLists(_InFile(folder / f"{name}.npy"), _mapped(folder / f"{name}-ends.npy"))


def _mapped(path: Path) -> NDArray[Any]:
    found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


@final
class _InFile:
    """The numbers of a `.npy` file, of which a part is read when somebody asks for it.

    Mapped into memory, a system takes in what lies around each part that is read, so that a few thousand rows here and
    there had the whole file counted as this process's memory.

    Args:
        path: of the file.

    Raises:
        OSError: it is not there.
        ValueError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        self._path, self._offset, self._type, self._count = path, mapped.offset, mapped.dtype, len(mapped)
        self._mapped = mapped if sys.platform == "win32" else None  # which has no reading from a place of a file
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        start, stop, _ = part.indices(self._count)
        if self._mapped is not None:
            return np.asarray(self._mapped[start:stop])
        size = max(0, stop - start) * self._type.itemsize
        data = os.pread(self._file, size, self._offset + start * self._type.itemsize)
        if len(data) != size:
            raise OSError(f"{self._path} has been cut since it was opened; train.reuse=false reads the texts anew")
        return np.frombuffer(data, self._type)


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
