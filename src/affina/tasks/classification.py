"""Task: classification, one label a row (or a pair of texts).

Owns the targets and the weighted cross-entropy. It does not own the head's architecture (`models`), nor what answers
are worth (`evaluation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from affina.data.rows import Row
from affina.tasks.base import Batch, Example, Head, Target
from affina.tasks.consistency import of_classes
from affina.tasks.texts import pad, tokenize


@final
class Classification:
    """Texts to labels.

    Args:
        tokenizer: the model's own (transformers).
        labels: the classes, in the order of the logits.
        max_length: the limit in tokens, special tokens included.
        class_weights: [classes], each example's loss is multiplied by its class's weight; None for equal weights.
        label_smoothing: share of the target's probability that is spread over all classes (Szegedy et al. 2016, 7).
    """

    def __init__(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.max_length = max_length
        self._index = {label: place for place, label in enumerate(self.labels)}
        self._weights = class_weights
        self._smoothing = label_smoothing

    def targets(self, rows: Sequence[Row]) -> list[Target]:
        """The places of the rows' labels; None where there is none or it is unknown."""
        return [self._index.get(row.fields.get("label", "")) for row in rows]

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """Rows to examples, in order; texts beyond the limit are cut (the longer text of a pair first)."""
        return tokenize(self.tokenizer, rows, self.targets(rows), max_length=self.max_length)

    def collate(self, examples: Sequence[Example], *, rows: Sequence[int]) -> Batch:
        """Examples side by side, padded on the right to the longest; a missing target becomes -100."""
        targets = torch.tensor([-100 if example.target is None else example.target for example in examples])
        return pad(self.tokenizer, examples, targets, rows=rows)

    def weight(self, batch: Batch) -> float:
        """The number of targets, or the sum of what they weigh, by their classes and their rows."""
        if self._weights is None and batch.weights is None:
            return float((batch.targets >= 0).sum())
        return float(self._counts(batch).sum())

    def _counts(self, batch: Batch) -> Tensor:
        """What each example weighs, [batch] in float64, 0 without a target."""
        targets = batch.targets.cpu()
        own = torch.tensor(batch.weights or (1.0,) * len(targets), dtype=torch.float64)
        known = own * (targets >= 0)
        return known if self._weights is None else known * self._weights[targets.clamp(min=0)]

    def loss(self, hidden: Tensor, head: Head, batch: Batch) -> tuple[Tensor, float]:
        """Sum of the (weighted, smoothed) cross-entropies in nats, and `weight(batch)`.

        Args:
            hidden: [batch, time, width].
            head: hidden states to logits [batch, classes].
            batch: the targets.
        """
        logits = head(hidden)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # low precision ends before the softmax
        losses = functional.cross_entropy(
            logits, batch.targets, reduction="none", label_smoothing=self._smoothing, ignore_index=-100
        )
        if self._weights is None and batch.weights is None:
            return losses.sum(), self.weight(batch)
        counts = self._counts(batch)
        return (losses * counts.to(losses)).sum(), float(counts.sum())

    def apart(self, first: Tensor, second: Tensor) -> Tensor:
        """The sum of the mean of both divergences, in nats, of logits [batch, classes]."""
        return of_classes(first, second).sum()


def balanced_weights(counts: Mapping[str, int], labels: Sequence[str]) -> Tensor:
    """One weight a class: the mean class size over its own, so that the weights average 1 over the rows.

    Returns:
        [classes], float64, so that the sum over a window does not depend on its order.
    """
    total = sum(counts[label] for label in labels)
    return torch.tensor([total / (len(labels) * counts[label]) for label in labels], dtype=torch.float64)
