"""What the user gave to measure risks on: the files of a recipe's `risks`, read. This module reads none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.risks.earlier_file import Earlier
from affina.risks.given_items import Items
from affina.risks.given_texts import Given
from affina.risks.honest_files import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFiles:
    """The files, each None where the recipe names none.

    Attributes:
        texts: running text, to be foretold.
        pairs: minimal pairs.
        choices: questions with several answers.
        earlier: labelled rows of an earlier task.
        stereotypes: pairs or triples with a stereotype each.
        honest: templates of HONEST, with the words that are hurtful in their blanks.
        unscored: why an encoder cannot score what is compared; empty where it can, or where there is nothing.
    """

    texts: Given | None = None
    pairs: Items | None = None
    choices: Items | None = None
    earlier: Earlier | None = None
    stereotypes: Items | None = None
    honest: Templates | None = None
    unscored: str = ""


NONE_GIVEN: Final = GivenFiles()
