"""Sequences whose items are made when somebody asks for them, and held by nobody."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

Item_co = TypeVar("Item_co", covariant=True)


class OnAccess(Sequence[Item_co]):
    """A sequence whose subclass says how long it is, and makes the item of a place."""

    @abstractmethod
    def at(self, place: int) -> Item_co:
        """The item of a place from 0 to the length, that one excluded."""

    @overload
    def __getitem__(self, place: int) -> Item_co: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item_co]: ...
    def __getitem__(self, place: int | slice) -> Item_co | list[Item_co]:
        if isinstance(place, slice):
            return [self.at(one) for one in range(len(self))[place]]
        return self.at(range(len(self))[place])
