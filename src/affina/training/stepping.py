"""One optimizer step: a window's micro-batches forward and backward, clipping, the optimizer.

Each micro-batch is weighted by the count of the whole window, so that accumulation is exact. The training loop and the
range test both step with this; what is not finite is reported as found, and judged by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar, final

import torch
from torch import Tensor

from affina.training.optimizer import Optimizer
from affina.training.plan import Window
from affina.training.precision import Precision
from affina.training.regularisers import Regulariser, all_during

BACKWARD: Final = 3
"""A training step over some tokens costs as much as so many forward passes over them."""


class MicroBatch(Protocol):
    """What the loop reads off a batch; the rest is between the batcher and the loss."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Places of the rows in the training split."""
        ...

    @property
    def tokens(self) -> int:
        """Real tokens."""
        ...


B = TypeVar("B", bound=MicroBatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[B]):
    """What is trained, as functions: the loop's whole view of task, model and data.

    Attributes:
        batch: places of rows to a micro-batch on the device.
        weight: a micro-batch to the count its loss will be divided by, before the forward pass.
        loss: a micro-batch to the sum of its losses, with a graph.
        evaluate: the metrics on the validation rows.
        where: the place of a row to its address in the user's files.
    """

    batch: Callable[[list[int]], B]
    weight: Callable[[B], float]
    loss: Callable[[B], Tensor]
    evaluate: Callable[[], Mapping[str, float]]
    where: Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients(Generic[B]):
    """What a window's backward pass left, before the weights move.

    Attributes:
        batches: the micro-batches.
        loss: the window's mean loss.
        norm: the gradient's norm before clipping; NaN where the loss is not finite, since there was no backward pass.
    """

    batches: list[B]
    loss: float
    norm: float


@final
class Stepper(Generic[B]):
    """Makes gradients and moves the weights by them.

    Args:
        work: what is trained.
        optimizer: moves what trains.
        precision: how forward and backward compute.
        clip: the largest gradient norm, or None.
        regularisers: what acts beside the loss.
    """

    def __init__(
        self,
        work: Work[B],
        optimizer: Optimizer,
        *,
        precision: Precision,
        clip: float | None,
        regularisers: Sequence[Regulariser] = (),
    ) -> None:
        self._work, self._optimizer, self._precision, self._clip = work, optimizer, precision, clip
        self._regularisers = regularisers

    @property
    def scales(self) -> bool:
        """Whether a gradient that overflows is expected now and then, and answered by a smaller scale."""
        return self._precision.scales

    def gradients(self, window: Window) -> Gradients[B]:
        """Forward and backward over a window; the gradients are unscaled and clipped.

        A loss that is not finite ends it there: what it would add to the gradients is worth nothing. Of a
        regulariser's own loss that shows in the gradient's norm.
        """
        batches = [self._work.batch(rows) for rows in window]
        total = sum(self._work.weight(batch) for batch in batches)
        loss = 0.0
        for batch in batches:
            with self._optimizer.looking_up(), all_during(self._regularisers):
                with self._precision.autocast():
                    share = self._work.loss(batch) / total
                loss += float(share.detach())
                if not math.isfinite(loss):
                    return Gradients(batches=batches, loss=loss, norm=math.nan)
                self._precision.backward(share)
            self._optimizer.collect()
        self._beside(sum(batch.tokens for batch in batches))
        self._precision.unscale(self._optimizer.adamw)
        for regulariser in self._regularisers:
            regulariser.after()
        norm = float(torch.nn.utils.clip_grad_norm_(self._optimizer.parameters, self._clip or math.inf))
        return Gradients(batches=batches, loss=loss, norm=norm)

    def _beside(self, tokens: int) -> None:
        """The regularisers' own losses, one after the other; they are no part of the loss that is recorded."""
        for regulariser in self._regularisers:
            for extra in regulariser.beside(tokens):
                with self._optimizer.looking_up():
                    with self._precision.autocast():
                        found = extra()
                    if found.requires_grad:
                        self._precision.backward(found)
                self._optimizer.collect()

    def loss(self, window: Window) -> float:
        """The window's mean loss, the weights as they are."""
        batches = [self._work.batch(rows) for rows in window]
        with torch.no_grad(), self._precision.autocast():
            total = sum(float(self._work.loss(batch)) for batch in batches)
        return total / sum(self._work.weight(batch) for batch in batches)

    def forget(self) -> None:
        """Drop the gradients, the weights unmoved."""
        self._optimizer.clear()

    def move(self, factor: float, *, step: int = 0) -> float:
        """Let the optimizer step at `factor` times its peak rates; returns the loss scale that follows.

        Args:
            factor: of the peak rates.
            step: how many the run has done, for what acts by the time.
        """
        self._optimizer.set_factor(factor, step=step)
        with self._optimizer.rows_at_hand():
            scale = self._precision.step(self._optimizer.adamw)
        self._optimizer.clear()
        return scale
