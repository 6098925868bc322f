"""What a tokenizer puts around a text of its own accord, texts that are shortened without losing it, tokens in spans.

A sequence that lost its begin- or end-of-text token is one that the model was not made for: what is beyond a limit is
taken from the text between them. This module knows no task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_PROBE: Final = "one"


@dataclass(frozen=True, slots=True)
class Ends:
    """The tokens around a text.

    Attributes:
        lead: before it: a begin-of-text token, a language's code, or nothing.
        tail: after it: an end token, or nothing.
    """

    lead: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()

    def shorten(self, ids: Sequence[int], room: int, *, from_end: bool) -> tuple[int, ...]:
        """A sequence without what there is no room for; where there is room for nothing else, its ends go as well.

        Args:
            ids: with or without these ends.
            room: tokens; one always stays.
            from_end: the end of the text goes, else its beginning.
        """
        ids, room = tuple(ids), max(1, room)
        if len(ids) <= room:
            return ids
        first = len(self.lead) if ids[: len(self.lead)] == self.lead else 0
        last = len(self.tail) if self.tail and ids[-len(self.tail) :] == self.tail else 0
        between = room - first - last
        if between < 1:
            return ids[:room] if from_end else ids[-room:]
        text = ids[first : len(ids) - last]
        kept = text[:between] if from_end else text[-between:]
        return (*ids[:first], *kept, *ids[len(ids) - last :])


def ends_of(tokenizer: Any) -> Ends:
    """Found by comparing a text's tokens with and without them; none where the one is not part of the other."""
    whole: list[int] = tokenizer(_PROBE)["input_ids"]
    bare: list[int] = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return Ends(tuple(whole[:start]), tuple(whole[start + len(bare) :]))
    return Ends()


def overlaps(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """For each token, in order, whether it has a character of a span."""
    found = []
    place = 0
    for start, end in offsets:
        while place < len(spans) and spans[place][1] <= start:
            place += 1
        found.append(place < len(spans) and end > spans[place][0] and end > start)
    return found
