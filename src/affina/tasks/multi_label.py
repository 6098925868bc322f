"""Task: multi-label classification, any number of labels a row.

Owns the targets and the binary cross-entropy of each label. From which probability on a label is given is decided in
`evaluation`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from affina.data.rows import Row
from affina.tasks.base import Batch, Example, Head, Target
from affina.tasks.consistency import of_marks
from affina.tasks.texts import pad, tokenize


@final
class MultiLabel:
    """Texts to sets of labels.

    Args:
        tokenizer: the model's own (transformers).
        labels: in the order of the logits.
        max_length: the limit in tokens, special tokens included.
        positive_weights: [labels], the loss of each label that a row has is multiplied by its weight; None for 1.
        label_smoothing: share of each target's probability that is given to its opposite and itself alike.
    """

    def __init__(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        positive_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.max_length = max_length
        self._index = {label: place for place, label in enumerate(self.labels)}
        self._weights = positive_weights
        self._smoothing = label_smoothing

    def targets(self, rows: Sequence[Row]) -> list[Target]:
        """The places of the rows' labels; a row without the field has no target, one with an empty list no label."""
        return [self._target(row) for row in rows]

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """Rows to examples, in order."""
        return tokenize(self.tokenizer, rows, self.targets(rows), max_length=self.max_length)

    def _target(self, row: Row) -> tuple[int, ...] | None:
        if "label" not in row.fields:
            return None
        return tuple(self._index[label] for label in json.loads(row.fields["label"]) if label in self._index)

    def collate(self, examples: Sequence[Example], *, rows: Sequence[int]) -> Batch:
        """Examples side by side, padded on the right; targets [batch, labels] of 0 and 1, NaN where none is known."""
        targets = torch.zeros(len(examples), len(self.labels))
        for place, example in enumerate(examples):
            if isinstance(example.target, tuple):
                targets[place, list(example.target)] = 1.0
            else:
                targets[place] = torch.nan
        return pad(self.tokenizer, examples, targets, rows=rows)

    def weight(self, batch: Batch) -> float:
        """The number of targets, rows times labels, or the sum of their weights."""
        targets = batch.targets[~batch.targets.isnan().any(dim=1)].cpu().double()
        if self._weights is None:
            return float(targets.numel())
        return float((targets * self._weights + (1 - targets)).sum())

    def loss(self, hidden: Tensor, head: Head, batch: Batch) -> tuple[Tensor, float]:
        """Sum of the (weighted, smoothed) binary cross-entropies in nats over rows and labels, and `weight(batch)`.

        Args:
            hidden: [batch, time, width].
            head: hidden states to logits [batch, labels].
            batch: the targets.
        """
        logits = head(hidden)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # low precision ends before the sigmoid
        known = ~batch.targets.isnan().any(dim=1)
        targets = batch.targets[known].to(logits.dtype)
        smooth = targets * (1 - self._smoothing) + 0.5 * self._smoothing
        losses = functional.binary_cross_entropy_with_logits(logits[known], smooth, reduction="none")
        if self._weights is not None:
            losses = losses * (targets * self._weights.to(losses) + (1 - targets))
        return losses.sum(), self.weight(batch)

    def apart(self, first: Tensor, second: Tensor) -> Tensor:
        """The sum of the mean of both divergences, in nats, over rows and labels, of logits [batch, labels]."""
        return of_marks(first, second).sum()


def positive_weights(counts: Mapping[str, int], labels: Sequence[str], *, rows: int) -> Tensor:
    """For each label its rows without it over those with it, so that both sides weigh the same.

    Returns:
        [labels], float64, so that the sum over a window does not depend on its order.
    """
    return torch.tensor([(rows - counts[label]) / counts[label] or 1.0 for label in labels], dtype=torch.float64)
