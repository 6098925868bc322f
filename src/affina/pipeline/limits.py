"""The length limit of a run: how many tokens a text may have, and what that does to the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.data.checks import noticed
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.errors import DataError, Problem, RecipeError
from affina.models.reader import Reads
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.record.payloads import Finding
from affina.tasks.texts import apply_limit, measure_lengths, refuse_nothing
from affina.values import Resolved

LONGEST_BY_DEFAULT: Final = 512
"""Tokens: beyond this a text is cut unless the recipe asks for more, since attention grows with the square."""
LONGEST_WITHOUT_LIMIT: Final = 1_000_000
"""Tokens: stands in for the limit of a model that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What the length limit comes to.

    Attributes:
        rows: split to the rows that are used.
        limit: in tokens, special tokens included.
        lengths: split to the length in tokens of each of its rows, those that are not used included.
        findings: what the limit did.
    """

    rows: dict[str, tuple[Row, ...]]
    limit: int
    lengths: dict[str, list[int]]
    findings: tuple[Finding, ...]


def within_limit(recipe: Recipe, loaded: Loaded, reader: Reads, choices: dict[str, Resolved[Any]]) -> Limited:
    """The rows of each split that are used, the limit, and what it did to them.

    Rows of validation and test are never dropped, so that figures stay about all of them; they are cut and counted.

    Args:
        recipe: `data.max_length` and `data.too_long`.
        loaded: the rows.
        reader: the model's tokenizer and its own limit.
        choices: gets the limit, where it was `auto`.

    Raises:
        RecipeError: a limit that the model does not have, or that leaves no room for a text.
        DataError: a text is too long where the recipe says `error`, or dropping leaves a label without rows.
    """
    asked = recipe.data.max_length
    most = reader.max_length or LONGEST_WITHOUT_LIMIT
    least = reader.tokenizer.num_special_tokens_to_add(pair="text_pair" in loaded.columns) + 1
    if asked != AUTO and not least <= asked <= most:
        raise RecipeError(_impossible(asked, least, most, reader.source.reference))
    limit = min(most, LONGEST_BY_DEFAULT) if asked == AUTO else asked
    splits = {"train": loaded.splits.train, "validation": loaded.splits.validation, "test": loaded.splits.test}
    kept: dict[str, tuple[Row, ...]] = {}
    findings: list[Finding] = []
    measured: dict[str, list[int]] = {}
    for split, rows in splits.items():
        policy = "truncate" if recipe.data.too_long == "drop" and split != "train" else recipe.data.too_long
        lengths = measure_lengths(reader.tokenizer, rows)
        refuse_nothing(rows, lengths)
        measured[split] = lengths
        kept[split], beyond = apply_limit(rows, lengths, limit=limit, too_long=policy)
        findings += _too_long(split, policy, [rows[place].where for place in beyond.rows], beyond.tokens, limit)
    _check_labels_left(kept["train"], loaded, limit)
    if asked == AUTO:
        longest = max(max(lengths, default=0) for lengths in measured.values())
        why = "the model's limit" if limit == most else "longer texts cost much time and memory"
        choices["data.max_length"] = Resolved(limit, f"{why}; the longest row has {longest} tokens")
    return Limited(rows=kept, limit=limit, lengths=measured, findings=tuple(findings))


def _impossible(asked: int, least: int, most: int, model: str) -> Problem:
    return Problem(
        where="recipe key data.max_length",
        expected=f"from {least} (one token beside the special ones) to {most}, the positions of {model}",
        found=str(asked),
        fix=f"write data.max_length={min(most, LONGEST_BY_DEFAULT)}, or leave it out",
    )


def _check_labels_left(train: Sequence[Row], loaded: Loaded, limit: int) -> None:
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


def _too_long(split: str, policy: str, places: Sequence[str], tokens: int, limit: int) -> list[Finding]:
    done = f"dropped from {split}" if policy == "drop" else f"cut to {limit} tokens, {tokens:,} tokens lost"
    meaning = f"{split} rows longer than {limit} tokens are {done}"
    advice = "data.max_length and data.too_long change that"
    return list(noticed("too_long", places, split=split, meaning=meaning, advice=advice))
