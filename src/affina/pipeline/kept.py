"""What a run keeps of its frozen blocks, and how the stages that run the model come to it: the types alone.

Whether a run keeps anything is decided in `keeping`; the file is `stepping_over`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import torch
from torch import Tensor

from affina.models.frozen_prefix import Cut
from affina.record.journal import Journal
from affina.tasks.layout import Layout
from affina.training.kept_states import Shelf


class FrozenStates(Protocol):
    """What a model's frozen blocks gave of rows, in the place of running them; see `pipeline.stepping_over`."""

    @property
    def as_planned(self) -> bool:
        """Whether what was to be kept is, as far as it was tried."""
        ...

    def fill(self, journal: Journal, *, step: int = 0) -> None:
        """Run the blocks that are frozen in a step once over all rows that are kept, unless that was done.

        To be called again where the run comes to another stage, and where weights are put back.
        """
        ...

    def around(self, split: str, places: Sequence[int], batch: Readable) -> AbstractContextManager[None]:
        """What is on while a batch of these rows of a split is run: the frozen blocks are stepped over."""
        ...


class Readable(Protocol):
    """A batch, as far as what is kept of its tokens is put into it."""

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Where the tokens stand that each stack of blocks reads."""
        ...


class RunsOnce(Protocol):
    """A run's subject, as far as the states of its rows can be kept; a part of `Subject`."""

    def batch_of(self, split: str, places: Sequence[int], device: torch.device) -> Readable:
        """These rows of a split side by side, padded."""
        ...

    def read(self, batch: Any) -> Tensor:
        """What the loss of a batch is made of, by a forward pass of the model up to its head or output layer."""
        ...

    def read_tokens(self, split: str) -> Sequence[tuple[int, ...]]:
        """Of each row of a split the tokens that each stack of blocks reads."""
        ...


@final
class RunWhole:
    """Nothing is kept, and nothing stepped over."""

    as_planned = True

    def fill(self, journal: Journal, *, step: int = 0) -> None:
        """There is nothing to fill."""

    def around(self, *_: object) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()


WHOLE: Final = RunWhole()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Steps in which the same blocks are stepped over: all of a run's, or stages in a row of layers that train in turn.

    Attributes:
        cut: which blocks they are.
        shelves: split to what is kept of its rows, for each stack of blocks.
        still: names of what trains in the run and in none of these steps; what is kept hangs on them.
        start: the first step, counted from 0.
        end: the step after the last one.
        share: of the run's steps.
        goes_on: what was kept in the stretch before is read to make this, and lies beside it meanwhile.
    """

    cut: Cut
    shelves: Mapping[str, tuple[Shelf, ...]]
    still: tuple[str, ...] = ()
    start: int = 0
    end: float = math.inf
    share: float = 1.0
    goes_on: bool = False

    @property
    def bytes(self) -> int:
        """On the disk."""
        return sum(shelf.bytes for shelves in self.shelves.values() for shelf in shelves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a run's frozen blocks.

    Attributes:
        stretches: in their order; in steps that are in none, all blocks run.
    """

    stretches: tuple[Stretch, ...]

    def at(self, step: int) -> Stretch | None:
        """The stretch that a step is in."""
        return next((one for one in self.stretches if one.start <= step < one.end), None)

    def before(self, stretch: Stretch) -> Stretch | None:
        """The stretch whose states are read to make a stretch's own."""
        return self.stretches[self.stretches.index(stretch) - 1] if stretch.goes_on else None

    @property
    def bytes(self) -> int:
        """On the disk, in the largest moment."""
        pairs = ((stretch, self.before(stretch)) for stretch in self.stretches)
        return max(stretch.bytes + (before.bytes if before else 0) for stretch, before in pairs)
