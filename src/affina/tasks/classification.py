"""Task: classification, one label a row (or a pair of texts).

Owns the encoding of texts within the length limit, the weighted cross-entropy and the reading of logits as
probabilities. It does not own the head's architecture (`models`), nor the metrics over many rows (`evaluation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.nn import functional

from affina.data.rows import Row
from affina.errors import DataError, Problem
from affina.recipe.schema import TooLong
from affina.tasks.base import Batch, Example, Head

MEASURED_AT_ONCE: Final = 5_000
"""Rows whose tokens are in memory together while only their lengths are asked for."""
LONGEST_MEASURED: Final = 500_000
"""Characters of a text that are turned into tokens for its length."""


@dataclass(frozen=True, slots=True)
class TooLongRows:
    """What the length limit did: the rows it touched, and the tokens cut from them."""

    rows: tuple[int, ...]
    tokens: int


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

    def encode(self, rows: Sequence[Row]) -> list[Example]:
        """Rows to examples, in order; texts beyond the limit are cut (the longer text of a pair first)."""
        return self._tokenize(rows, max_length=self.max_length)

    def _tokenize(self, rows: Sequence[Row], *, max_length: int | None) -> list[Example]:
        if not rows:
            return []
        pairs = ["text_pair" in row.fields for row in rows]
        texts: list[Any] = [
            (row.fields["text"], row.fields["text_pair"]) if pair else row.fields["text"]
            for row, pair in zip(rows, pairs, strict=True)
        ]
        encoded = self.tokenizer(texts, truncation=max_length is not None, max_length=max_length)
        types = encoded.get("token_type_ids") or [None] * len(rows)
        return [
            Example(
                tuple(ids), tuple(kinds) if kinds is not None else None, self._index.get(row.fields.get("label", ""))
            )
            for ids, kinds, row in zip(encoded["input_ids"], types, rows, strict=True)
        ]

    def collate(self, examples: Sequence[Example], *, rows: Sequence[int]) -> Batch:
        """Examples side by side, padded on the right to the longest; a missing target becomes -100."""
        longest = max(len(example.ids) for example in examples)
        pad = self.tokenizer.pad_token_id
        ids = torch.full((len(examples), longest), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, example in enumerate(examples):
            ids[place, : len(example.ids)] = torch.tensor(example.ids)
            mask[place, : len(example.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        if examples[0].types is not None:
            types = torch.zeros_like(ids)
            for place, example in enumerate(examples):
                types[place, : len(example.ids)] = torch.tensor(example.types)
            inputs["token_type_ids"] = types
        targets = torch.tensor([-100 if example.target is None else example.target for example in examples])
        return Batch(inputs, targets, tuple(rows), sum(len(example.ids) for example in examples))

    def weight(self, batch: Batch) -> float:
        """The number of targets, or the sum of their classes' weights."""
        targets = batch.targets[batch.targets >= 0]
        if self._weights is None:
            return float(len(targets))
        return float(self._weights[targets.cpu()].sum())

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
        if self._weights is not None:
            losses = losses * self._weights.to(losses)[batch.targets.clamp(min=0)]
        return losses.sum(), self.weight(batch)


def measure_lengths(tokenizer: Any, rows: Sequence[Row]) -> list[int]:
    """The length of each row in tokens, special tokens included, nothing cut.

    A row of more than `LONGEST_MEASURED` characters is estimated from its beginning: a tokenizer takes hundreds of
    bytes for each.
    """
    probe = Classification(tokenizer, (), max_length=1)
    found: list[int] = []
    for start in range(0, len(rows), MEASURED_AT_ONCE):
        part = rows[start : start + MEASURED_AT_ONCE]
        lengths = [len(example.ids) for example in probe._tokenize([_beginning(row) for row in part], max_length=None)]
        found += [_extrapolated(row, length) for row, length in zip(part, lengths, strict=True)]
    return found


def _beginning(row: Row) -> Row:
    if all(len(text) <= LONGEST_MEASURED for text in row.texts):
        return row
    return replace(row, fields={role: text[:LONGEST_MEASURED] for role, text in row.fields.items()})


def _extrapolated(row: Row, length: int) -> int:
    whole, seen = sum(map(len, row.texts)), sum(min(len(text), LONGEST_MEASURED) for text in row.texts)
    return length if whole == seen else round(length * whole / seen)


def refuse_nothing(rows: Sequence[Row], lengths: Sequence[int]) -> None:
    """Stop at texts of which the tokenizer makes no token: a model cannot read them.

    Raises:
        DataError: one problem for each such row.
    """
    problems = [
        Problem(
            where=row.where,
            expected="a text that the model's tokenizer can read",
            found=f"{row.fields['text'][:40]!r}, which is no token to it",
            fix="write another text, or remove the row",
        )
        for row, length in zip(rows, lengths, strict=True)
        if length == 0
    ]
    if problems:
        raise DataError(*problems)


def apply_limit(
    rows: Sequence[Row], lengths: Sequence[int], *, limit: int, too_long: TooLong
) -> tuple[tuple[Row, ...], TooLongRows]:
    """What `data.too_long` says of rows beyond `limit` tokens: all rows (to be cut when encoded), or those that fit.

    Raises:
        DataError: a row is too long and the recipe says `error`.
    """
    beyond = tuple(place for place, length in enumerate(lengths) if length > limit)
    tokens = sum(lengths[place] - limit for place in beyond)
    if beyond and too_long == "error":
        raise DataError(
            *(
                Problem(
                    where=rows[place].where,
                    expected=f"at most {limit} tokens (data.max_length)",
                    found=f"{lengths[place]} tokens",
                    fix="shorten the text, raise data.max_length, or write data.too_long=truncate or drop",
                )
                for place in beyond
            )
        )
    if too_long == "drop":
        gone = set(beyond)
        return tuple(row for place, row in enumerate(rows) if place not in gone), TooLongRows(beyond, tokens)
    return tuple(rows), TooLongRows(beyond, tokens)


def balanced_weights(counts: Counter[str], labels: Sequence[str]) -> Tensor:
    """One weight a class: the mean class size over its own, so that the weights average 1 over the rows.

    Returns:
        [classes], float64, so that the sum over a window does not depend on its order.
    """
    total = sum(counts[label] for label in labels)
    return torch.tensor([total / (len(labels) * counts[label]) for label in labels], dtype=torch.float64)
