"""The length limit of a run that answers: its texts, and labels that are left without a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.errors import DataError, Problem
from affina.models.base import Reads
from affina.pipeline.kept_tokens import tokens_of
from affina.pipeline.limits import Limited, Measure, limit_of, within_limit
from affina.recipe.schema import Recipe
from affina.tasks.texts import refuse_nothing
from affina.tasks.token_lists import Tokenized
from affina.values import Resolved


def limit_texts(
    recipe: Recipe, loaded: Loaded, reader: Reads, choices: dict[str, Resolved[Any]]
) -> tuple[Limited, Mapping[str, Tokenized]]:
    """The rows that are used, see `within_limit`, and split to their tokens.

    Raises:
        DataError: also where dropping leaves a label without rows, or the tokenizer makes nothing of a text.
    """
    least = reader.tokenizer.num_special_tokens_to_add(pair="text_pair" in loaded.columns) + 1
    limit, _ = limit_of(recipe, reader, least=least)
    read: list[Tokenized] = []

    def lengths(rows: Sequence[Row]) -> list[int]:
        read.append(tokens_of(reader.tokenizer, rows, limit=limit, reuse=recipe.train.reuse, choices=choices))
        found: list[int] = read[-1].whole.tolist()
        refuse_nothing(rows, found)
        return found

    limited = within_limit(recipe, loaded, reader, Measure(lengths=lengths, least=least), choices)
    check_labels_left(limited.rows["train"], loaded, limited.limit)
    tokens = {}
    for (split, rows), found in zip(limited.rows.items(), read, strict=True):
        within = range(len(rows)) if len(rows) == len(found.ids) else np.flatnonzero(found.whole <= limit).tolist()
        tokens[split] = found if len(within) == len(found.ids) else found.of(within)
    return limited, tokens


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
