"""The length limit of a run that answers: its texts, and labels that are left without a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.errors import DataError, Problem
from affina.models.base import Reads
from affina.pipeline.limits import Limited, Measure, within_limit
from affina.recipe.schema import Recipe
from affina.tasks.texts import measure_lengths, refuse_nothing
from affina.values import Resolved


def limit_texts(recipe: Recipe, loaded: Loaded, reader: Reads, choices: dict[str, Resolved[Any]]) -> Limited:
    """The rows that are used, see `within_limit`.

    Raises:
        DataError: also where dropping leaves a label without rows, or the tokenizer makes nothing of a text.
    """

    def lengths(rows: Sequence[Row]) -> list[int]:
        found = measure_lengths(reader.tokenizer, rows)
        refuse_nothing(rows, found)
        return found

    least = reader.tokenizer.num_special_tokens_to_add(pair="text_pair" in loaded.columns) + 1
    limited = within_limit(recipe, loaded, reader, Measure(lengths=lengths, least=least), choices)
    check_labels_left(limited.rows["train"], loaded, limited.limit)
    return limited


def check_labels_left(train: Sequence[Row], loaded: Loaded, limit: int) -> None:
    """Dropping long rows may leave a label, or all of them, without one to learn from."""
    left = {label for row in train for label in loaded.labelling.labels_of(row.fields["label"])}
    known = {label for row in loaded.splits.train for label in loaded.labelling.labels_of(row.fields["label"])}
    gone = [label for label in loaded.labels if label in known - left]
    if gone or not train:
        shown = ", ".join(repr(label) for label in gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
        raise DataError(
            Problem(
                where="recipe key data.max_length, with data.too_long=drop",
                expected="training rows left for every label",
                found=f"none within {limit} tokens" + (f" for {shown}" if gone else ""),
                fix="raise data.max_length, or write data.too_long=truncate",
            )
        )
