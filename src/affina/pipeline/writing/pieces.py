"""Texts alone that are longer than the limit, in pieces: all of a text is learned, and nothing is cut away.

A piece ends where a word ends, as near to the limit as that goes; only a text's last piece ends with the end token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from affina.data.loading import Loaded
from affina.data.rows import Row, Splits
from affina.models.base import Tells
from affina.tasks.generation import GOES_ON
from affina.tasks.lessons import Reading
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


def in_pieces(loaded: Loaded, model: Tells, *, limit: int) -> tuple[Loaded, Resolved[str] | None]:
    """The rows with long texts divided, and what to say of it; None where no text is long.

    Args:
        loaded: rows of texts alone.
        model: its tokenizer.
        limit: in tokens, special tokens included.
    """
    found = {name: divided(rows, model, limit=limit) for name, rows in loaded.splits.by_name.items()}
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
    room = max(1, limit - len(Reading(model).ends.lead) - 1 - SPARE)
    found = [tuple(_pieces(row, model.tokenizer, room)) for row in rows]
    counts = [len(pieces) for pieces in found if len(pieces) > 1]
    return Divided(rows=tuple(piece for pieces in found for piece in pieces), long=len(counts), pieces=sum(counts))


def _pieces(row: Row, tokenizer: Any, room: int) -> Iterator[Row]:
    text = row.fields["text"]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(offsets) <= room:
        yield row
        return
    starts = [start for start, _ in offsets]
    begun = place = 0
    while len(starts) - place > room:
        place = _end(text, starts, place, place + room)
        yield replace(row, fields={**row.fields, "text": text[begun : starts[place]], GOES_ON: "yes"})
        begun = starts[place]
    yield replace(row, fields={**row.fields, "text": text[begun:]})


def _end(text: str, starts: Sequence[int], first: int, last: int) -> int:
    """The token that the next piece begins with: the last one up to `last` that begins a word, else `last`."""
    for place in range(last, max(first, last - LOOKED_BACK), -1):
        start = starts[place]
        if text[start : start + 1].isspace() or text[start - 1 : start].isspace():
            return place
    return last
