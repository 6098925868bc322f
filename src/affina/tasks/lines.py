"""Passages as a batch: what a model is given, what is learned of it, and where each row's tokens stand.

How passages become a batch says `lessons` (padded), `packing` or `beginnings`. This module computes no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from affina.models.segments import SEGMENTS
from affina.tasks.layout import Layout, filled_from_left, of_tails, padded


@dataclass(frozen=True, slots=True)
class Lines:
    """Passages side by side, padded on the right, or in lines that several share.

    Attributes:
        inputs: the model's arguments, those of tokens [batch, time] each.
        targets: [batch, time], aligned with what the model's states predict; -100 where nothing is learned.
        rows: the place of each passage in its split.
        tokens: real tokens, padding not counted.
        filled: how many each line has of those that a decoder reads.
    """

    inputs: Mapping[str, Tensor]
    targets: Tensor
    rows: tuple[int, ...]
    tokens: int
    filled: tuple[int, ...]

    def to(self, device: torch.device) -> Lines:
        """The same batch with its tensors on `device`."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, targets=self.targets.to(device, non_blocking=True))

    def summed(self, values: Tensor) -> Tensor:
        """What belongs to tokens [batch, time] to its sum over each row's own, [rows] in float64.

        Lines of several rows are summed where they share a beginning, of which nothing is learned.
        """
        tails = self.inputs.get(SEGMENTS)
        if tails is None:
            return values.sum(dim=1, dtype=torch.float64)
        return torch.stack([values[0, start:end].sum(dtype=torch.float64) for start, end in tails.tolist()])

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Where its tokens stand: those of a decoder, or of an encoder and its decoder."""
        read, tails = self.inputs.get("decoder_input_ids"), self.inputs.get(SEGMENTS)
        if tails is not None:
            return (of_tails(tails.tolist(), self.inputs["input_ids"]),)
        if read is None:
            return (filled_from_left(self.filled, self.inputs["input_ids"]),)
        return padded(self.inputs["attention_mask"]), filled_from_left(self.filled, read)
