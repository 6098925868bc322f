"""States of rows in a file: written once, in one order, and read for any rows in any order.

A file holds the numbers of real tokens alone, one row's after the other's. It is read by the row and not mapped: pages
that are mapped would count as this process's memory, and one that cannot be read would end it without a word. Owns the
bytes; it does not know what made the states, nor when a file is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What a file holds.

    Attributes:
        name: the file's.
        rows: the places of its rows in their split, in the order in which they stand in the file.
        tokens: how many each has.
        width: of a token's states.
        stored: the type of the numbers in the file.
        given: the type that they are read as.
    """

    name: str
    rows: tuple[int, ...]
    tokens: tuple[int, ...]
    width: int
    stored: torch.dtype
    given: torch.dtype

    @property
    def bytes(self) -> int:
        """The file's size."""
        return sum(self.tokens) * self.width * self.stored.itemsize


def write(file: BinaryIO, shelf: Shelf, states: Tensor) -> None:
    """Add the states of the next rows, [tokens, width].

    Raises:
        OSError: the disk does not take them.
        OverflowError: a number is too large for the type that is stored.
    """
    kept = states.detach().to(shelf.stored).cpu().contiguous()
    if kept.dtype != states.dtype and bool((~kept.isfinite() & states.cpu().isfinite()).any()):
        raise OverflowError(f"states beyond what {str(shelf.stored).removeprefix('torch.')} holds")
    file.write(kept.view(torch.uint8).numpy().data)


@final
class Reader:
    """An open file.

    Args:
        folder: where it is.
        shelf: what it holds.

    Raises:
        OSError: it is not there, or of another size.
    """

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        path = folder / shelf.name
        if path.stat().st_size != shelf.bytes:
            raise OSError(f"{path} has {path.stat().st_size:,} bytes in the place of {shelf.bytes:,}")
        self.shelf = shelf
        starts = accumulate(shelf.tokens, initial=0)
        self._where = {row: (start, count) for row, start, count in zip(shelf.rows, starts, shelf.tokens, strict=False)}
        self._file = path.open("rb", buffering=0)

    def has(self, rows: Sequence[int]) -> bool:
        """Whether all these rows are there."""
        return all(row in self._where for row in rows)

    def read(self, rows: Sequence[int]) -> Tensor:
        """The states of these rows, one after the other, [tokens, width].

        Raises:
            OSError: the file cannot be read.
        """
        wanted = [self._where[row] for row in rows]
        found = torch.empty(sum(count for _, count in wanted), self.shelf.width, dtype=self.shelf.stored)
        room = found.view(torch.uint8).numpy().data.cast("B")
        token, at = self.shelf.width * self.shelf.stored.itemsize, 0
        for start, count in wanted:
            self._file.seek(start * token)
            self._fill(room[at : at + count * token])
            at += count * token
        return found.to(self.shelf.given)

    def _fill(self, room: memoryview) -> None:
        got = 0
        while got < len(room):
            more = self._file.readinto(room[got:])
            if not more:
                raise OSError(f"{self.shelf.name} ends before its last row")
            got += more

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
