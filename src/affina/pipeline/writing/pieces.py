"""Texts alone that are longer than the limit, in pieces: all of a text is learned, and nothing is cut away.

A piece ends where a word ends, as near to the limit as that goes; only a text's last piece ends with the end token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from affina.data.flat_lists import FlatLists
from affina.data.loading import Loaded
from affina.data.rows import Row, Splits
from affina.models.base import Tells
from affina.pipeline.kept_tokens import kept, key_of, tokenizer_hash
from affina.pipeline.writing.lessons_of_rows import LEAST_ROWS
from affina.tasks.generation import GOES_ON
from affina.tasks.lessons import Reading
from affina.tasks.token_lists import Lists, opened_lists
from affina.values import Resolved

LOOKED_BACK: Final = 32
"""Tokens before the limit among which the beginning of a word is looked for."""
SPARE: Final = 4
"""Tokens: a piece by itself may be cut into a few more than it was in its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """Texts, the long ones in pieces.

    Attributes:
        rows: short texts and pieces, in the texts' order.
        long: how many texts were divided.
        pieces: into how many pieces, all together.
    """

    rows: tuple[Row, ...]
    long: int
    pieces: int


def in_pieces(
    loaded: Loaded, model: Tells, *, limit: int, reuse: bool, choices: dict[str, Resolved[Any]]
) -> tuple[Loaded, Resolved[str] | None]:
    """The rows with long texts divided, and what to say of it; None where no text is long.

    Args:
        loaded: rows of texts alone.
        model: its tokenizer.
        limit: in tokens, special tokens included.
        reuse: the recipe's `train.reuse`: where the texts are divided is kept, as their tokens are.
        choices: gets whence it is, where it was not found in this run.
    """
    room, found = _room(model, limit), dict[str, Divided]()
    for name, rows in loaded.splits.by_name.items():
        cut = partial(_cuts, rows, model.tokenizer, room)
        if reuse and model.tokenizer.is_fast and len(rows) >= LEAST_ROWS:
            key = key_of(tokenizer_hash(model.tokenizer), (row.texts for row in rows), ["pieces", room])
            cuts = kept(key, cut, save=_save, open_in=_opened, rows=len(rows), choices=choices)
        else:
            cuts = cut()
        found[name] = _divided(rows, cuts)
    long, pieces = (sum(counts) for counts in zip(*((one.long, one.pieces) for one in found.values()), strict=True))
    if not long:
        return loaded, None
    made = {name: one.rows for name, one in found.items()}
    told = f"{long:,} texts of more than {limit:,} tokens are learned in {pieces:,} pieces"
    return replace(loaded, splits=Splits(**made)), Resolved("in pieces", f"{told}, so that nothing is cut away")


def divided(rows: Sequence[Row], model: Tells, *, limit: int) -> Divided:
    """Texts alone with the long ones in pieces, in order: for the training, and for a finished run's figures.

    Args:
        rows: with their whole texts.
        model: its tokenizer.
        limit: in tokens, special tokens included.
    """
    return _divided(rows, _cuts(rows, model.tokenizer, _room(model, limit)))


def _room(model: Tells, limit: int) -> int:
    """Tokens that a piece may have in its text."""
    return max(1, limit - len(Reading(model).ends.lead) - 1 - SPARE)


def _divided(rows: Sequence[Row], cuts: FlatLists) -> Divided:
    found = [tuple(_pieces(row, places)) for row, places in zip(rows, cuts, strict=True)]
    counts = [len(pieces) for pieces in found if len(pieces) > 1]
    return Divided(rows=tuple(piece for pieces in found for piece in pieces), long=len(counts), pieces=sum(counts))


def _pieces(row: Row, cuts: Sequence[int]) -> Iterator[Row]:
    """A row's pieces; the row itself where its text is not cut."""
    text, begun = row.fields["text"], 0
    for place in cuts:
        yield replace(row, fields={**row.fields, "text": text[begun:place], GOES_ON: "yes"})
        begun = place
    yield replace(row, fields={**row.fields, "text": text[begun:]}) if cuts else row


def _cuts(rows: Sequence[Row], tokenizer: Any, room: int) -> FlatLists:
    """Of each row the characters with which its further pieces begin."""
    found = Lists(below=2**32)
    for row in rows:
        found.add(_places(row.fields["text"], tokenizer, room))
    return found.whole()


def _places(text: str, tokenizer: Any, room: int) -> Iterator[int]:
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    starts, place = [start for start, _ in offsets], 0
    while len(starts) - place > room:
        place = _end(text, starts, place, place + room)
        yield starts[place]


def _save(cuts: FlatLists, folder: Path) -> None:
    for name, values in cuts.arrays("cuts").items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def _opened(folder: Path) -> FlatLists:
    return opened_lists(folder, "cuts")


def _end(text: str, starts: Sequence[int], first: int, last: int) -> int:
    """The token that the next piece begins with: the last one up to `last` that begins a word, else `last`."""
    for place in range(last, max(first, last - LOOKED_BACK), -1):
        start = starts[place]
        if text[start : start + 1].isspace() or text[start - 1 : start].isspace():
            return place
    return last
