"""The user's own text file, as pieces that a model is to foretell before and after its training.

A piece is a paragraph, or a part of a longer one. Of a long file some pieces are drawn. What cannot be used is refused
before anything is trained. This module runs no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affina.data.decoding import decode
from affina.data.drawing import drawn_places
from affina.data.formats import FORMATS
from affina.data.passages import is_running_text
from affina.errors import Problem, RecipeError

KEY: Final = "recipe key risks.forgetting.texts"
LONGEST: Final = 400
"""Characters of a piece."""
MOST_PIECES: Final = 400
"""Pieces that are read, at most: more would tell little more."""
_BETWEEN: Final = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True, slots=True)
class Given:
    """A file's pieces.

    Attributes:
        file: its name, without folders.
        pieces: those that are read.
        told: how many that is of how many.
    """

    file: str
    pieces: tuple[str, ...]
    told: str


def read_texts(path: str, *, seed: int, key: str = KEY) -> Given:
    """Read a text file.

    Args:
        path: of the file.
        seed: decides which pieces of a long file are read.
        key: where the recipe names it.

    Raises:
        RecipeError: there is no such file, or it is no text.
        DataError: it is not in UTF-8.
    """
    file = Path(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        fix = "check the path; it is seen from where the command is given"
        raise RecipeError(_problem(key, f"{path}: {error.strerror or error}", fix)) from None
    if file.suffix.lower() in FORMATS and not is_running_text(file.name):
        raise RecipeError(_problem(key, f"{path}, which is a table", "write its texts into a .txt file"))
    text = decode(raw, file=path)
    if "\0" in text:
        raise RecipeError(_problem(key, f"{path}, which holds NUL bytes", "name a file that is text and nothing else"))
    pieces = list(_pieces(text))
    if not pieces:
        raise RecipeError(_problem(key, f"{path}, which is empty", "name a file with text in it, or leave the key out"))
    chosen = drawn_places(len(pieces), most=MOST_PIECES, seed=seed)
    told = "all that it has" if len(chosen) == len(pieces) else f"drawn by the seed from {len(pieces):,}"
    return Given(file.name, tuple(pieces[place] for place in chosen), told)


def _problem(key: str, found: str, fix: str) -> Problem:
    return Problem(where=key, expected="a text file in UTF-8, paragraphs of running text", found=found, fix=fix)


def _pieces(text: str) -> Iterator[str]:
    for paragraph in _BETWEEN.split(text.replace("\r\n", "\n")):
        left = paragraph.strip()
        while left:
            end = len(left) if len(left) <= LONGEST else max(left.rfind(" ", 1, LONGEST), left.rfind("\n", 1, LONGEST))
            end = LONGEST if end < 1 else end
            yield left[:end].rstrip()
            left = left[end:].lstrip()
