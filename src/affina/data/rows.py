"""A row as every stage sees it: its fields by role, where in which file it stands, and what counts as no text.

This module does not read files (`formats`), find columns (`columns`) or judge rows (`checks`, `audit`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories (UAX 44, table 12) of controls, zero-width characters, marks without a letter, and blanks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the user's data.

    Attributes:
        fields: role (text, text_pair, label, group) to the cell's text.
        file: the file's name as the user wrote it.
        number: the row's place in the file from 1, header and blank lines not counted.
        line: the line of the file where the row starts, from 1; 0 in a file without lines, such as Parquet.
    """

    fields: Mapping[str, str]
    file: str
    number: int
    line: int

    @property
    def where(self) -> str:
        """The row's address for messages: `tickets.csv, row 17 (line 19)`, or without the line where there is none."""
        return f"{self.file}, row {self.number}" + (f" (line {self.line})" if self.line else "")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, or both texts of a pair."""
        return tuple(self.fields[role] for role in ("text", "text_pair") if role in self.fields)


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows to train on, to choose with and to report on; no row is in two of them."""

    train: Sequence[Row]
    validation: Sequence[Row]
    test: Sequence[Row]

    @property
    def by_name(self) -> dict[str, Sequence[Row]]:
        """All three."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def named(files: Iterable[str]) -> str:
    """Files' names for a message about all of them: `a.csv and 2 more files`."""
    first, *more = dict.fromkeys(files)
    return first + (f" and {len(more)} more file{'s' * (len(more) > 1)}" if more else "")


CONTROLLED: Final = "controlled"
"""The field of a row whose text is attributes by which its label, a text, is written: the label is what it is about."""


def text_key(row: Row) -> tuple[str, str]:
    """What makes two rows the same text: the text and the second text, without outer blanks."""
    if CONTROLLED in row.fields:
        return row.fields["label"].strip(), ""
    return row.fields["text"].strip(), row.fields.get("text_pair", "").strip()


def is_blank(text: str) -> bool:
    """Whether a text has nothing to read: no character, or only such as nobody sees by themselves.

    A tokenizer may encode such a text to no token at all.
    """
    return all(unicodedata.category(character) in _UNSEEN for character in text)
