"""Passages in a few flat arrays, each made again when it is asked for; see `token_lists`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

import numpy as np

from affina.data.flat_lists import FlatLists
from affina.data.on_access import OnAccess
from affina.tasks.lessons import Passage
from affina.tasks.token_lists import Lists, opened_lists


@final
class PassageLists:
    """Passages that nothing was cut of, as they come.

    Args:
        below: all token ids are smaller than this.
    """

    def __init__(self, *, below: int) -> None:
        self._ids, self._learned, self._source = Lists(below=below), Lists(below=2), Lists(below=below)

    def add(self, passage: Passage) -> None:
        """One more."""
        self._ids.add(passage.ids)
        self._learned.add(passage.learned)
        self._source.add(passage.source)

    def whole(self) -> Passages:
        """All of them; nothing may be added any more."""
        return Passages(self._ids.whole(), self._learned.whole(), self._source.whole())


@final
class Passages(OnAccess[Passage]):
    """Passages, in the order in which they came.

    Args:
        ids: of each.
        learned: 1 for each of them that is learned, else 0.
        source: what an encoder reads of each.

    Raises:
        ValueError: the three are not of the same passages.
    """

    def __init__(self, ids: FlatLists, learned: FlatLists, source: FlatLists) -> None:
        if not np.array_equal(ids.ends, learned.ends) or len(source) != len(ids):
            raise ValueError("arrays of different passages")
        self._ids, self._learned, self._source = ids, learned, source

    def __len__(self) -> int:
        return len(self._ids)

    def at(self, place: int) -> Passage:
        """One of them."""
        return Passage(self._ids[place], tuple(map(bool, self._learned[place])), self._source[place])

    def length(self, place: int) -> int:
        """Tokens of one, of an encoder-decoder's those of its longer side."""
        return max(self._ids.size(place), self._source.size(place))

    def save(self, folder: Path) -> None:
        """Write them into an empty folder, a file for each array."""
        for name, lists in {"ids": self._ids, "learned": self._learned, "source": self._source}.items():
            for file, values in lists.arrays(name).items():
                np.save(folder / f"{file}.npy", values, allow_pickle=False)


def opened_passages(folder: Path) -> Passages:
    """What `Passages.save` wrote, read from its files as it is needed.

    Raises:
        OSError: a file is not there.
        ValueError: what is there is no such array, or they do not belong together.
    """
    return Passages(*(opened_lists(folder, name) for name in ("ids", "learned", "source")))


@final
class Cut(OnAccess[Passage]):
    """Some passages within a limit.

    Args:
        whole: each with the place that it has in a longer list.
        cut: leaves of a passage what is within the limit.
    """

    def __init__(self, whole: Sequence[tuple[Passages, int]], cut: Callable[[Passage], Passage]) -> None:
        self._whole, self._cut = whole, cut

    def __len__(self) -> int:
        return len(self._whole)

    def at(self, place: int) -> Passage:
        """One of them."""
        passages, one = self._whole[place]
        return self._cut(passages[one])
