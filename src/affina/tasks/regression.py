"""Task: regression, a number a row.

Owns the targets and the squared error, in the standard units that the head trains in; the units themselves are
`models.units`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from affina.data.rows import Row
from affina.models.units import PLAIN, Units
from affina.tasks.base import Batch, Example, Head, Target
from affina.tasks.consistency import of_numbers
from affina.tasks.texts import pad, tokenize


@final
class Regression:
    """Texts to a number.

    Args:
        tokenizer: the model's own (transformers).
        labels: the number's name.
        max_length: the limit in tokens, special tokens included.
        units: what the head's logit counts in.
    """

    def __init__(self, tokenizer: Any, labels: Sequence[str], *, max_length: int, units: Units = PLAIN) -> None:
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.max_length = max_length
        self._units = units

    def targets(self, rows: Sequence[Row]) -> list[Target]:
        """The rows' numbers, in the user's units."""
        return [float(row.fields["label"]) if "label" in row.fields else None for row in rows]

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """Rows to examples, in order, with their numbers in the user's units."""
        return tokenize(self.tokenizer, rows, self.targets(rows), max_length=self.max_length)

    def collate(self, examples: Sequence[Example], *, rows: Sequence[int]) -> Batch:
        """Examples side by side, padded on the right; targets in standard units, NaN where none is known."""
        numbers = [example.target if isinstance(example.target, float) else float("nan") for example in examples]
        standard = (torch.tensor(numbers, dtype=torch.float64) - self._units.shift) / self._units.scale
        return pad(self.tokenizer, examples, standard.float(), rows=rows)

    def weight(self, batch: Batch) -> float:
        """The number of targets."""
        return float((~batch.targets.isnan()).sum())

    def loss(self, hidden: Tensor, head: Head, batch: Batch) -> tuple[Tensor, float]:
        """Sum of the squared errors in standard units, and `weight(batch)`.

        Args:
            hidden: [batch, time, width].
            head: hidden states to logits [batch, 1].
            batch: the targets.
        """
        logits = head(hidden)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))[:, 0]
        known = ~batch.targets.isnan()
        return (logits[known] - batch.targets[known].to(logits.dtype)).square().sum(), self.weight(batch)

    def apart(self, first: Tensor, second: Tensor) -> Tensor:
        """The sum of the squared differences in standard units, of logits [batch, 1]."""
        return of_numbers(first, second).sum()
