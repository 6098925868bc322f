"""What the user gave to measure risks on: the files of a recipe's `risks`, read. This module reads none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.risks.given_items import Items
from affina.risks.given_texts import Given


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFiles:
    """The files, each None where the recipe names none.

    Attributes:
        texts: running text, to be foretold.
        pairs: minimal pairs.
        choices: questions with several answers.
        stereotypes: pairs or triples with a stereotype each.
        unscored: why an encoder cannot score what is compared; empty where it can, or where there is nothing.
    """

    texts: Given | None = None
    pairs: Items | None = None
    choices: Items | None = None
    stereotypes: Items | None = None
    unscored: str = ""


NONE_GIVEN: Final = GivenFiles()
