"""What a forward pass keeps for the backward pass, in bytes, found by looking at passes over a few tokens.

Whatever the model's family, the method and the attention's kernel: what autograd saves is counted as it is saved. A
batch of b rows of t tokens keeps b x (linear x t + square x t^2), but for what is kept once. Below a frozen cut nothing
is saved, so the method is seen too; what stands before each row, such as virtual tokens, adds to each alike. The
weights and the random state stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from affina.methods.added import taken_by
from affina.models.checkpointing import checkpointing
from affina.pipeline.prepared import Prepared
from affina.pipeline.running_again import reached_blocks
from affina.runtime import randomness
from affina.training.precision import Precision
from affina.training.stepping import MicroBatch

ROWS: Final = 2
LENGTHS: Final = (8, 16, 32)
"""Tokens of the rows looked at, where the run's rows are that long."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A batch: how many rows, of how many tokens, padding included.

    Attributes:
        seen: keys that each row attends to, where those are more than its tokens: rows that share a beginning.
    """

    rows: int
    length: int
    seen: int = 0

    @property
    def keys(self) -> int:
        """That each row attends to."""
        return max(self.length, self.seen)

    @property
    def tokens(self) -> int:
        """Padding included."""
        return self.rows * self.length


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes of a batch: rows x (row + linear x length + square x length^2) + fixed."""

    fixed: float
    linear: float
    square: float
    row: float = 0.0

    def __call__(self, shape: Shape) -> int:
        """Bytes of a batch of this shape."""
        each = self.row + (self.linear + self.square * shape.length) * shape.length
        return max(0, round(self.fixed + shape.rows * each))

    def towards(self, other: Growth, *, share: float) -> Growth:
        """So much of the way from here to another."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Growth(*(one + share * (two - one) for one, two in pairs))


@dataclass(frozen=True, slots=True)
class Activations:
    """What batches take.

    Attributes:
        saved: kept from the forward for the backward pass.
        largest: the largest single tensor.
    """

    saved: Growth
    largest: Growth


def look(prepared: Prepared) -> Activations:
    """Run a few tiny forward passes as the training does, and count.

    Where blocks are run again in the backward pass, what one of them keeps meanwhile comes on top of what enters all.
    """
    blocks = reached_blocks(prepared.model, prepared.attached)
    with checkpointing(prepared.model.module, on=False):
        whole = _looked(prepared)
    if not prepared.recipe.train.checkpoint_activations or not blocks:
        return whole
    with checkpointing(prepared.model.module, on=True):
        entering = _looked(prepared)
    return Activations(entering.saved.towards(whole.saved, share=1 / blocks), whole.largest)


def _looked(prepared: Prepared) -> Activations:
    longest = max(prepared.subject.lengths["train"])
    unit = max(1, min(LENGTHS[0], longest // 4))
    lengths = [unit, 2 * unit, 4 * unit]
    loss = prepared.subject.work(prepared).loss
    precision = Precision(prepared.precision, prepared.device)
    prepared.attached.train()
    passes = [(length, ROWS) for length in lengths]
    passes += [(unit, 2 * ROWS)] if taken_by(prepared.attached) else []
    found = []
    with randomness.untouched():
        for length, rows in passes:
            batch = prepared.subject.rows_of(length, count=rows)
            with precision.autocast():
                found.append(_count(prepared, loss, batch))
    prepared.attached.eval()
    saved, largest = zip(*found, strict=True)
    return Activations(_growth(lengths, saved), _growth(lengths, largest))


def _count(prepared: Prepared, loss: Callable[[Any], Tensor], batch: MicroBatch) -> tuple[int, int]:
    """Bytes that are saved, and bytes of the largest tensor."""
    module = prepared.model.module
    kept = (*module.parameters(), *module.buffers(), *prepared.attached.state_dict().values())
    own = {tensor.untyped_storage().data_ptr() for tensor in kept}
    seen: dict[int, Tensor] = {}
    """By place in memory; they are held, so that no place is used twice."""
    largest = [0]

    def pack(tensor: Tensor) -> Tensor:
        """Numbers without their graph, which would hold them in a circle through C++ that nobody breaks."""
        place, numbers = tensor.untyped_storage().data_ptr(), tensor.detach()
        if place not in own:
            seen[place] = numbers
        return numbers

    with _outputs(module, largest), torch.autograd.graph.saved_tensors_hooks(pack, _same):
        loss(batch)
    sizes = [tensor.untyped_storage().nbytes() for tensor in seen.values()]
    return sum(sizes), max([*sizes, *largest])


def _same(tensor: Tensor) -> Tensor:
    return tensor


@contextmanager
def _outputs(module: Any, largest: list[int]) -> Iterator[None]:
    """Note the largest tensor that a layer gives."""

    def note(_module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            largest[0] = max(largest[0], output.numel() * output.element_size())

    handles = [child.register_forward_hook(note) for child in module.modules() if not any(child.children())]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _growth(lengths: Sequence[int], sizes: Sequence[int]) -> Growth:
    """The parabola through three points; what it says per row holds for any number of rows.

    Args:
        lengths: of the rows looked at.
        sizes: of these passes, and last of one with twice the rows of the first, where rows have something each.
    """
    square, linear, level = np.polyfit(lengths, np.asarray(sizes[: len(lengths)]) / ROWS, 2)
    fixed, row = ROWS * float(level), 0.0
    if len(sizes) > len(lengths):
        fixed = 2.0 * sizes[0] - sizes[-1]
        row = max(0.0, float(level) - max(0.0, fixed) / ROWS)
    return Growth(max(0.0, fixed), max(0.0, float(linear)), max(0.0, float(square)), row)
