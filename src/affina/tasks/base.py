"""What a task is to the stages around it: examples, batches, and the contract of design section 3.

A task says what a good answer is. It knows no method, no optimizer and no file. This module holds the types alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from affina.data.rows import Row
from affina.tasks.layout import Layout, padded

Head = Callable[[Tensor], Tensor]
"""The model's output layers: hidden states [batch, time, width] to logits."""

Target = int | float | tuple[int, ...] | None
"""The place of a class, a number, or the places of the labels that a text has."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row as the model reads it.

    Attributes:
        ids: token ids, special tokens included.
        types: segment ids for models that tell a first text from a second, else None.
        target: the right answer, or None where it is not known.
        weight: how much its loss counts.
    """

    ids: tuple[int, ...]
    types: tuple[int, ...] | None
    target: Target
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples side by side, padded on the right to the longest.

    Attributes:
        inputs: the model's arguments: `input_ids` and `attention_mask` [batch, time], `token_type_ids` where used.
        targets: the right answers: [batch] indices or numbers, or [batch, labels] of 0 and 1.
        rows: the place of each example in its split.
        tokens: real tokens, padding not counted.
        weights: how much each example's loss counts; None where all count the same.
    """

    inputs: Mapping[str, Tensor]
    targets: Tensor
    rows: tuple[int, ...]
    tokens: int
    weights: tuple[float, ...] | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch with its tensors on `device`."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, targets=self.targets.to(device, non_blocking=True))

    @property
    def layouts(self) -> tuple[Layout]:
        """Where its tokens stand."""
        return (padded(self.inputs["attention_mask"]),)


class Task(Protocol):
    """What the loop and the evaluation need of a task."""

    tokenizer: Any
    """The model's own (transformers)."""
    labels: tuple[str, ...]
    """The name of each output, in the order of the logits."""
    max_length: int
    """The limit in tokens, special tokens included."""

    def targets(self, rows: Sequence[Row]) -> list[Target]:
        """The right answers of rows, in order; None where one is not known."""
        ...

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """Rows to examples, in order."""
        ...

    def collate(self, examples: Sequence[Example], *, rows: Sequence[int]) -> Batch:
        """Examples to one batch; `rows` are their places in the split."""
        ...

    def weight(self, batch: Batch) -> float:
        """The count that `loss` will return for this batch, known before the forward pass."""
        ...

    def loss(self, hidden: Tensor, head: Head, batch: Batch) -> tuple[Tensor, float]:
        """The sum of the losses over the batch's targets, and what it must be divided by."""
        ...

    def apart(self, first: Tensor, second: Tensor) -> Tensor:
        """How far two answers to a batch are apart, summed as `loss` sums, of the logits of both."""
        ...
