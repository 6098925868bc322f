"""Texts as a model reads them: tokens within the length limit, padding, and what too long a text means.

What stands beside the texts, the target, is each task's own.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from affina.data.row_arrays import those
from affina.data.rows import Row
from affina.errors import DataError, Problem
from affina.recipe.data_spec import TooLong
from affina.tasks.base import Batch, Example, Target
from affina.tasks.token_lists import Lists, SegmentIds, Tokenized

MEASURED_AT_ONCE: Final = 5_000
"""Rows whose tokens are in memory together while only their lengths are asked for."""
CHARACTERS_PER_TOKEN: Final = 40
"""Characters that are turned into tokens for each token that is kept; where that is not enough, more."""
LONGEST_MEASURED: Final = 500_000
"""Characters of a text that are turned into tokens for its length."""


@dataclass(frozen=True, slots=True)
class TooLongRows:
    """What the length limit did: the rows it touched, and the tokens cut from them."""

    rows: tuple[int, ...]
    tokens: int


def tokenize(
    tokenizer: Any, rows: Sequence[Row], targets: Sequence[Target], *, max_length: int | None
) -> list[Example]:
    """Rows to examples, in order; texts beyond the limit are cut (the longer text of a pair first).

    Args:
        tokenizer: the model's own (transformers).
        rows: with their texts.
        targets: of the same rows.
        max_length: the limit in tokens, special tokens included; None cuts nothing.
    """
    if not rows:
        return []
    pairs = ["text_pair" in row.fields for row in rows]
    texts: list[Any] = [
        (row.fields["text"], row.fields["text_pair"]) if pair else row.fields["text"]
        for row, pair in zip(rows, pairs, strict=True)
    ]
    encoded = _encode(tokenizer, texts, max_length)
    types = encoded.get("token_type_ids") or [None] * len(rows)
    return [
        Example(tuple(ids), tuple(kinds) if kinds is not None else None, target)
        for ids, kinds, target in zip(encoded["input_ids"], types, targets, strict=True)
    ]


def read_texts(tokenizer: Any, rows: Sequence[Row], *, max_length: int) -> Tokenized:
    """The tokens of all rows within the limit, and how many each has without it; see `tokenize` and `measure_lengths`.

    Texts are read once, a part of the rows at a time; those beyond the limit twice.
    """
    ids, kinds = Lists(below=len(tokenizer)), SegmentIds()
    whole = array("i")
    for start in range(0, len(rows), MEASURED_AT_ONCE):
        part = rows[start : start + MEASURED_AT_ONCE]
        examples = tokenize(tokenizer, [_beginning(row) for row in part], [None] * len(part), max_length=None)
        lengths = [_extrapolated(row, len(example.ids)) for row, example in zip(part, examples, strict=True)]
        long = [place for place, length in enumerate(lengths) if length > max_length or _is_cut(part[place])]
        cut = tokenize(tokenizer, [part[place] for place in long], [None] * len(long), max_length=max_length)
        for place, example in zip(long, cut, strict=True):
            examples[place] = example
        for example in examples:
            ids.add(example.ids)
            kinds.add(example.types)
        whole.extend(lengths)
    read = ids.whole()
    return Tokenized(ids=read, types=kinds.whole(read), whole=np.array(memoryview(whole), dtype=np.int32, copy=None))


def _encode(tokenizer: Any, texts: Sequence[Any], max_length: int | None) -> Any:
    """The tokenizer's own encoding; of a text far beyond the limit the beginning alone is turned into tokens.

    A tokenizer takes hundreds of bytes for each character. Twice the limit of tokens must come out of the beginning, so
    that what is cut off has no part in what is kept; else more of it is taken.
    """
    if max_length is None:
        return tokenizer(list(texts), truncation=False)
    most = CHARACTERS_PER_TOKEN * max_length
    while any(len(part) > most for text in texts for part in _parts(text)):
        short = [_cut(text, most) for text in texts]
        counts = [_fewest_tokens(tokenizer, text, cut) for text, cut in zip(texts, short, strict=True)]
        if all(count >= 2 * max_length for count in counts if count is not None):
            return tokenizer(short, truncation=True, max_length=max_length)
        most *= 8
    return tokenizer(list(texts), truncation=True, max_length=max_length)


def _parts(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _cut(text: Any, most: int) -> Any:
    return text[:most] if isinstance(text, str) else tuple(part[:most] for part in text)


def _fewest_tokens(tokenizer: Any, text: Any, cut: Any) -> int | None:
    """The tokens of the shortest part that was cut; None where none was."""
    pairs = zip(_parts(text), _parts(cut), strict=True)
    short = [part for whole, part in pairs if len(part) < len(whole)]
    return min((len(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in short), default=None)


def pad(tokenizer: Any, examples: Sequence[Example], targets: Tensor, *, rows: Sequence[int]) -> Batch:
    """Examples side by side, padded on the right to the longest.

    Args:
        tokenizer: has the padding token.
        examples: at least one.
        targets: of the same examples, [batch, ...].
        rows: their places in the split.
    """
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), tokenizer.pad_token_id, dtype=torch.long)
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
    weights = tuple(example.weight for example in examples)
    weighed = None if all(weight == 1.0 for weight in weights) else weights
    return Batch(inputs, targets, tuple(rows), sum(len(example.ids) for example in examples), weighed)


def measure_lengths(tokenizer: Any, rows: Sequence[Row]) -> list[int]:
    """The length of each row in tokens, special tokens included, nothing cut.

    A row of more than `LONGEST_MEASURED` characters is estimated from its beginning: a tokenizer takes hundreds of
    bytes for each.
    """
    found: list[int] = []
    for start in range(0, len(rows), MEASURED_AT_ONCE):
        part = rows[start : start + MEASURED_AT_ONCE]
        examples = tokenize(tokenizer, [_beginning(row) for row in part], [None] * len(part), max_length=None)
        lengths = [len(example.ids) for example in examples]
        found += [_extrapolated(row, length) for row, length in zip(part, lengths, strict=True)]
    return found


def _is_cut(row: Row) -> bool:
    return any(len(text) > LONGEST_MEASURED for text in row.texts)


def _beginning(row: Row) -> Row:
    if not _is_cut(row):
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
) -> tuple[Sequence[Row], TooLongRows]:
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
        within = [place for place in range(len(rows)) if place not in gone]
        return those(rows, within), TooLongRows(beyond, tokens)
    return rows, TooLongRows(beyond, tokens)
