"""Where the tokens of a batch stand in it, so that what a model makes of each can be taken out and put in again.

This module makes no batch and knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """The real tokens of a batch, row after row, each row's in their order.

    Attributes:
        places: [tokens], where each stands among lines x time, counted through; on the batch's device.
        lines: of the batch.
        time: tokens of a line, padding included.
        once: which of the tokens are put in again, where rows share some, so that each place is written once; None for
            all.
    """

    places: Tensor
    lines: int
    time: int
    once: Tensor | None = None

    def gathered(self, states: Tensor) -> Tensor:
        """[lines, time, width] to [tokens, width]."""
        return states.flatten(0, 1)[self.places]

    def spread(self, tokens: Tensor) -> Tensor:
        """[tokens, width] to [lines, time, width], with zeros where no token is."""
        states, places = tokens.new_zeros(self.lines * self.time, tokens.shape[1]), self.places
        if self.once is not None:
            places, tokens = places[self.once], tokens[self.once]
        return states.index_copy_(0, places, tokens).view(self.lines, self.time, -1)


def padded(mask: Tensor) -> Layout:
    """Of an attention mask [lines, time], a row a line."""
    return Layout(mask.flatten().nonzero()[:, 0], *mask.shape)


def filled_from_left(filled: Sequence[int], like: Tensor) -> Layout:
    """Of lines that have so many tokens at their beginning, in a batch like `like` [lines, time]."""
    counts = torch.tensor(filled, device=like.device)
    return padded(torch.arange(like.shape[1], device=like.device) < counts[:, None])


def of_tails(tails: Sequence[tuple[int, int]], like: Tensor) -> Layout:
    """Of rows that share what is before the first tail, in one line like `like` [1, time]."""
    common = torch.arange(tails[0][0])
    rows = [torch.cat([common, torch.arange(start, end)]) for start, end in tails]
    first, *others = (torch.ones(len(row), dtype=torch.bool) for row in rows)
    for one in others:
        one[: len(common)] = False
    once = torch.cat([first, *others]).nonzero()[:, 0]
    return Layout(torch.cat(rows).to(like.device), 1, like.shape[1], once.to(like.device))


def first_of_each(layout: Layout) -> Layout:
    """The first token of each line alone, in states that have no others."""
    return Layout(torch.arange(layout.lines, device=layout.places.device), layout.lines, 1)
