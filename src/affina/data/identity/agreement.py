"""Words in front of an Italian noun that agree with it: articles, prepositions joined with them, possessives, and more.

Which form a word has goes by the noun's definite article, in eight columns; in front of another such word (la mia
figlia, lo stesso padre) an article goes by how that one sounds. The words are in `it_in_front.txt`; nouns, and texts,
are `nouns`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

COLUMNS: Final = ("il", "lo", "l'm", "la", "l'f", "i", "gli", "le")
"""Definite articles; `l'` of a man and of a woman are two."""
_FEMININE: Final = ("la", "l'f", "le")
_PLURAL: Final = ("i", "gli", "le")
_BY_GENDER: Final = (0, 0, 0, 1, 1, 2, 2, 3)
"""The columns of a line that has a form for a man, a woman, men and women."""
_LO: Final = re.compile(r"s[^aeiou]|z|gn|ps|x|y")
_IN_FRONT: Final = {
    "": ("article", "opening", "between", "behind", "adjective"),
    "before": (),
    "article": ("before",),
    "opening": (),
    "between": ("article", "opening", "between", "behind"),
    "behind": ("article", "opening", "between", "behind"),
    "adjective": ("article", "opening", "between", "behind", "adjective"),
}
"""A kind of word, or nothing for the noun, to the kinds that may stand right in front of it."""


@dataclass(frozen=True, slots=True)
class Agreeing:
    """A word in its forms.

    Attributes:
        kind: where it may stand.
        forms: column to its forms, of which the first is written and all are read.
    """

    kind: str
    forms: dict[str, tuple[str, ...]]

    @property
    def tells(self) -> bool:
        """Whether it says anything of the noun: loro and di have one form for all."""
        return len({first for first, *_ in self.forms.values()}) > 1


def column_of(article: str, *, feminine: bool) -> str:
    """The column of a noun with this definite article."""
    return ("l'f" if feminine else "l'm") if article == "l'" else article


def in_front_of(word: str, column: str) -> str:
    """The column of what stands in front of a word that agrees with a noun of this column."""
    vowel, hard = word[0] in "aeiou", _LO.match(word) is not None
    if column in _FEMININE:
        return "le" if column in _PLURAL else "l'f" if vowel else "la"
    if column in _PLURAL:
        return "gli" if vowel or hard else "i"
    return "l'm" if vowel else "lo" if hard else "il"


def agreed(words: Sequence[str], column: str, other: str) -> tuple[list[str], bool]:
    """What stands in front of a noun's counterpart in the place of the last of these words that agree with the noun.

    Args:
        words: in front of the noun, in lower case, with straight apostrophes.
        column: the noun's.
        other: its counterpart's.

    Returns:
        One for each of the last words, as many as agree, and whether they say anything of the noun.
    """
    found: list[tuple[Agreeing, str]] = []
    for word in reversed(words):
        agreeing = _read().get((column, word))
        if agreeing is None or agreeing.kind not in _IN_FRONT[found[0][0].kind if found else ""]:
            break
        instead = agreeing.forms[other][0]
        found.insert(0, (agreeing, instead))
        column, other = in_front_of(word, column), in_front_of(instead, other)
    while found and found[0][0].kind == "behind":
        found.pop(0)
    return [word for _, word in found], any(agreeing.tells for agreeing, _ in found)


def words_in_front() -> tuple[Agreeing, ...]:
    """All words that agree, in the order of their file."""
    lines = Path(__file__).with_name("it_in_front.txt").read_text(encoding="utf-8").splitlines()
    return tuple(_agreeing(*line.split()) for line in lines if not line.startswith("#"))


def _agreeing(kind: str, *cells: str) -> Agreeing:
    every = cells if len(cells) == len(COLUMNS) else [cells[place] for place in _BY_GENDER]
    named = zip(COLUMNS, every, strict=True)
    return Agreeing(kind, {column: tuple(cell.replace("_", " ").split("/")) for column, cell in named if cell != "-"})


@cache
def _read() -> dict[tuple[str, str], Agreeing]:
    """A column and a form to its word."""
    return {(column, form): word for word in words_in_front() for column, forms in word.forms.items() for form in forms}
