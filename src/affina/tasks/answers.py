"""The answers within a passage: runs of tokens that are learned, with what stands before them.

A conversation has one for each of the assistant's turns, as the model's template and limit leave it. What is read here
is what is trained on: nothing is rendered, or made into tokens, anew. This module writes no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, takewhile

from affina.tasks.lessons import Passage


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of a passage that is learned.

    Attributes:
        asked: the tokens that stand before it; for an encoder-decoder what the encoder reads.
        ids: its own, the end token included where the passage has it.
    """

    asked: tuple[int, ...]
    ids: tuple[int, ...]


def begun(passage: Passage, *, learned: int) -> Passage:
    """A passage up to so many tokens that are learned; whole where there are no more."""
    places = (place for place, is_learned in enumerate(passage.learned) if is_learned)
    last = next(islice(places, learned - 1, None), len(passage.ids))
    return replace(passage, ids=passage.ids[: last + 1], learned=passage.learned[: last + 1])


def last_answer(learned: Sequence[bool]) -> int:
    """Tokens of the last answer in a row that may hold several."""
    behind = list(reversed(learned))
    start = behind.index(True) if True in behind else len(behind)
    return sum(1 for _ in takewhile(bool, behind[start:]))


def longest_answer(passage: Passage) -> Answer | None:
    """The answer of most tokens, the first of equals; None where nothing is learned that has something before it."""
    if passage.source:
        return Answer(passage.source, passage.ids)
    places = range(1, len(passage.ids))  # nothing stands before the first
    runs = [list(run) for learned, run in groupby(places, lambda place: passage.learned[place]) if learned]
    if not runs:
        return None
    longest = max(runs, key=len)
    return Answer(passage.ids[: longest[0]], passage.ids[longest[0] : longest[-1] + 1])
