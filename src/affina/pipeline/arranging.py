"""How the rows of a model that writes lie in a batch: padded, packed into lines, or in one line, their beginning once.

Owns `train.pack`. How a batch of either kind is made, and whether a model obeys it, is in `tasks.packing` and
`tasks.beginnings`; a run that goes on takes the way that it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.methods.base import Attached
from affina.models.language import LanguageModel
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Recipe
from affina.tasks.beginnings import choose_one_line, worth_sharing
from affina.tasks.lessons import Passage
from affina.tasks.packing import Packing, choose_packing
from affina.tasks.packs import worth_packing
from affina.values import Resolved

PACK: Final = "train.pack"
BEGINNINGS: Final = "beginnings"
LINES: Final = "lines"
Arranged = tuple[Packing | None, dict[str, Resolved[Any]]]
"""How rows lie, None for padded; and what was decided, by recipe key."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What is arranged.

    Attributes:
        model: that reads it,
        attached: with its method.
        passages: split to its rows as tokens.
        lengths: split to the tokens of each.
        budget: tokens of a batch, padding included, at most.
    """

    model: LanguageModel
    attached: Attached
    passages: Mapping[str, Sequence[Passage]]
    lengths: Mapping[str, Sequence[int]]
    budget: int


def arrange(texts: Texts, recipe: Recipe, *, begun: Callable[[], Resolved[Any] | None]) -> Arranged:
    """Decide how rows lie.

    Args:
        texts: the rows, and what reads them.
        recipe: as asked.
        begun: gives what the stopped run that goes on came to.
    """
    asked = recipe.train.pack
    if asked is False or (asked == AUTO and texts.model.reads_apart):
        return None, {}
    if recipe.train.neftune:
        return None, {PACK: Resolved(False, "train.neftune measures its noise by the length of a text")}
    before = begun()
    if before is not None:
        asked = LINES if before.value is True else before.value  # true was that before there were two ways
        if asked is False:
            return None, {PACK: Resolved(False, before.reason)}
    told = []
    if asked in (AUTO, True, BEGINNINGS):
        one_line = _one_line(texts, by_name=asked == BEGINNINGS)
        if one_line.value is not None:
            return one_line.value, {PACK: Resolved(BEGINNINGS, one_line.reason)}
        told.append(one_line.reason)
    if asked != BEGINNINGS:
        lines = _lines(texts, asked_for=asked != AUTO)
        if lines.value is not None:
            return lines.value, {PACK: Resolved(LINES, lines.reason)}
        told.append(lines.reason)
    return None, {PACK: Resolved(False, "; ".join(told))}


def _one_line(texts: Texts, *, by_name: bool) -> Resolved[Packing | None]:
    """A line for each batch; where it is not asked for by name, that has to save something."""
    if texts.model.reads_apart:
        return Resolved(None, "an encoder-decoder's rows share no beginning")
    if (device := texts.model.module.device.type) != "cpu":
        return Resolved(None, f"lines with their rows' beginning once are for CPUs, not for {device}")
    worth = worth_sharing(texts.passages["train"], texts.lengths["train"], budget=texts.budget)
    if not by_name and not worth.value:
        return Resolved(None, worth.reason)
    longest = max(length for lengths in texts.lengths.values() for length in lengths)
    found = choose_one_line(texts.model, texts.attached, longest=longest)
    if found.value is None:
        return Resolved(None, found.reason)
    return Resolved(found.value, f"a batch is a line, with its rows' beginning once: {worth.reason}; {found.reason}")


def _lines(texts: Texts, *, asked_for: bool) -> Resolved[Packing | None]:
    """Lines of about the same length; where they are not asked for, they have to save padding."""
    lengths = texts.lengths["train"]
    worth = worth_packing(lengths, budget=texts.budget)
    if not asked_for and not worth.value:
        return Resolved(None, worth.reason)
    found = choose_packing(texts.model, longest=max(lengths))
    return Resolved(found.value, f"{GIVEN if asked_for else worth.reason}; {found.reason}")
