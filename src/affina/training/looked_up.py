"""A table of embeddings of which a training looks up some rows: they move as a small matrix of their own.

A row that is never looked up has no gradient and no moments, so that AdamW would leave it as it is, but for its decay;
here it stays bit for bit what it was, and neither gradient nor moments are held for it. Which rows those are is a guess
from the training texts: where another one gets a gradient, or the table is used otherwise, all of it moves from there
on (`Optimizer.collect`), with the moments that it would have had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

import torch
from torch import Tensor, nn

NOT_HERE: Final = -1


@final
class LookedUp:
    """The rows of one table.

    Args:
        table: a plain embedding, whose weight nothing else uses.
        rows: [rows], their places in the table, each once and in order.

    Attributes:
        weight: the table's, [table's rows, width].
        part: [rows, width], what the optimizer moves.
    """

    def __init__(self, table: nn.Embedding, rows: Tensor) -> None:
        self.rows = rows.to(table.weight.device)
        self.weight: Tensor = table.weight
        self.part = nn.Parameter(table.weight.detach()[self.rows], requires_grad=table.weight.requires_grad)
        self._table = table
        self._places = torch.full((table.num_embeddings,), NOT_HERE, device=self.rows.device)
        self._places[self.rows] = torch.arange(len(self.rows), device=self.rows.device)

    @contextmanager
    def during(self) -> Iterator[None]:
        """Around forward and backward passes: the table's gradient is that of the rows that they looked up."""
        before, self._table.sparse = self._table.sparse, True
        try:
            yield
        finally:
            self._table.sparse = before

    def collect(self) -> bool:
        """Add what passes left on the table to the gradient of `part`; False where `part` does not hold all of it."""
        found = self.weight.grad
        if found is None:
            return True
        if not found.is_sparse:
            return False
        found = found.coalesce()
        places, values = self._places[found.indices()[0]], found.values()
        here = places != NOT_HERE
        broken = False
        if not bool(here.all()):
            others = values[~here]
            broken = not bool(others.isfinite().all())
            if not broken and bool(others.any()):
                return False
            places, values = places[here], values[here]  # what fills a batch up is looked up too, for no gradient
        if self.part.grad is None:
            self.part.grad = torch.zeros_like(self.part)
        self.part.grad.index_add_(0, places, values)
        if broken:  # a step that is skipped, which it must be told by
            self.part.grad.fill_(torch.nan)
        self.weight.grad = None
        return True

    def read(self) -> None:
        """Take the rows over from the table, in which anybody may have put something."""
        self.part.requires_grad_(self.weight.requires_grad)
        torch.index_select(self.weight.detach(), 0, self.rows, out=self.part.data)

    def write(self) -> None:
        """Put the rows into the table."""
        self.weight.detach().index_copy_(0, self.rows, self.part.detach())

    def whole(self, values: Tensor) -> Tensor:
        """What is known of `part`'s rows, [rows, width], as the same of the whole table: zero elsewhere."""
        return torch.zeros_like(self.weight, dtype=values.dtype).index_copy_(0, self.rows, values)

    def whole_gradient(self) -> Tensor | None:
        """The table's gradient, with what was collected of it."""
        found, collected = self.weight.grad, self.part.grad
        if found is not None and found.is_sparse:
            found = found.to_dense()
        if collected is None:
            return found
        return self.whole(collected) if found is None else found.add_(self.whole(collected))
