"""Replay: beside the rows of a step, texts on which the model is held to what it made of them before the training.

To the loss is added strength times the mean distance over the texts' tokens: KL(base || tuned) for a model that writes
(as in Marek 2026, where the texts are the base's own). Which texts there are and what is kept of the base is `Held`'s
(`tasks.holding`). Passes over them have no dropout, and no other regulariser acts in them, so that before the first
step the penalty and its gradient are zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from affina.data.batching import by_length
from affina.methods.base import Attached
from affina.tasks.holding import Held
from affina.training.regularisers import Extra, Regulariser


@final
class Replay(Regulariser):
    """See above.

    Args:
        held: the texts.
        attached: the model with its method, of which dropout is taken out meanwhile.
        module: the model.
        share: tokens of texts for each token of the step's rows; one text at least.
        strength: what the mean distance is multiplied by.
        budget: tokens of a batch, padding included, at most.
    """

    def __init__(
        self, held: Held, attached: Attached, module: Any, *, share: float, strength: float, budget: int
    ) -> None:
        self._held, self._attached, self._module = held, attached, module
        self._share, self._strength, self._budget = share, strength, budget
        self._mean = sum(held.lengths) / len(held.lengths)

    def beside(self, tokens: int) -> Iterator[Extra]:
        """The drawn texts, batch by batch; what they come to together does not depend on how they are divided."""
        places = self._draw(tokens)
        lengths = [self._held.lengths[place] for place in places]
        total = sum(self._held.weights[place] for place in places)
        for batch in by_length(lengths, budget=self._budget):
            yield partial(self._loss, [places[number] for number in batch], total)

    def _draw(self, tokens: int) -> list[int]:
        """Places of different texts, from torch's random state, which a checkpoint keeps."""
        count = min(max(1, round(self._share * tokens / self._mean)), len(self._held.lengths))
        found: list[int] = torch.randperm(len(self._held.lengths))[:count].tolist()
        return found

    def _loss(self, places: Sequence[int], total: int) -> Tensor:
        with without_dropout(self._attached, self._module):
            return self._held.apart(places) * (self._strength / total)


@contextmanager
def without_dropout(attached: Attached, module: Any) -> Iterator[None]:
    """Evaluation mode while the block runs; then the mode that it was in."""
    trained = bool(module.training)
    attached.eval()
    try:
        yield
    finally:
        if trained:
            attached.train()
