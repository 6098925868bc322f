"""The texts of one row of a user's file: there, different, and sentences where sentences are asked for.

Which columns they stand in is known by whoever reads the file (`given_items` and the others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.table import Unusable, excerpt
from affina.errors import DataError, Problem

_NUMBER: Final = re.compile(r"[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
_VALUES: Final = frozenset({"true", "false", "null", "none", "nan"})
"""What other programs write for a truth value, or for nothing."""


def texts_of(where: str, row: Mapping[str, str | Unusable], names: Sequence[str]) -> tuple[str, ...]:
    """The texts of a row's columns, without outer blanks.

    Raises:
        DataError: one is empty, not there, or no text.
    """
    texts = []
    for name in names:
        cell = row.get(name, "")
        if isinstance(cell, Unusable) or not cell.strip():
            found = cell.found if isinstance(cell, Unusable) else "nothing, or the key is not there"
            raise DataError(unfit_row(where, f"a text in {name}", found))
        texts.append(cell.strip())
    return tuple(texts)


def different(where: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts themselves.

    Raises:
        DataError: two of them are the same.
    """
    twin = next((text for place, text in enumerate(texts) if text in texts[:place]), None)
    if twin is not None:
        raise DataError(unfit_row(where, "texts that differ", f"twice {excerpt(twin)}"))
    return texts


def sentences(where: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts themselves, of which each is to be a sentence.

    A word such as `true` is one beside another word, as in a file of words and made-up words.

    Raises:
        DataError: one is a number or a truth value alone.
    """
    bare = [text for text in texts if text.casefold() in _VALUES or _NUMBER.fullmatch(text)]
    if bare and (len(bare) == len(texts) or not all(text.isalpha() for text in texts)):
        found = f"{excerpt(bare[0])}, a number, a truth value or an empty cell's name"
        raise DataError(unfit_row(where, "sentences", found))
    return texts


def unfit_row(where: str, expected: str, found: str, *, fix: str = "correct that row, or remove it") -> Problem:
    """A row that cannot be used."""
    return Problem(where=where, expected=expected, found=found, fix=fix)
