"""A file as a grid of cells with its line numbers: what every reader returns and every later step reads.

This module does not read files (`formats`) and gives no column a meaning (`columns`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from affina.data.rows import Row
from affina.values import Resolved

LONGEST_EXCERPT = 60
"""Characters of the user's own text that a message shows."""
MOST_EXAMPLES = 5
"""Rows that a finding names; it counts them all."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A JSON value that is not text; it is an error only where its column is used.

    Attributes:
        found: what it is, for a message: `a list: ["a", "b"]`.
        items: the texts of a list of texts and integers, which can be labels; None for anything else.
        value: the value itself where it may be a conversation: a list or an object, as plain JSON data.
    """

    found: str
    items: tuple[str, ...] | None = None
    value: Any = field(default=None, compare=False, repr=False)


Cell = str | Unusable


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, decoded and not yet parsed.

    Attributes:
        file: the name as the user wrote it.
        text: all of it, without a byte order mark.
        sha256: of the file's bytes.
    """

    file: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one file, in its order; rows that are wholly blank are counted, not kept.

    Attributes:
        file: the name as the user wrote it.
        columns: the names, in order; unique, but for unnamed ones.
        rows: one tuple of cells for each row, as long as `columns`.
        lines: the line of the file where each row starts, from 1; 0 in a file without lines.
        sha256: of the file's bytes.
        blank: how many rows and lines were wholly blank.
        blank_rows: the lines of those that do have the form of a row: delimiters or quotes, or an object.
        delimiter: set where it is not the usual one of the file's suffix.
        encoding: set where it is not UTF-8.
        before: rows of the file that stand before these, where this is a part of it.
        unread: columns whose cells are no single text, to what they are; an error only where one is used.
        readings: columns of another type than text, to how they are read.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]
    sha256: str
    blank: int = 0
    blank_rows: tuple[int, ...] = ()
    delimiter: Resolved[str] | None = None
    encoding: Resolved[str] | None = None
    before: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, str] = field(default_factory=dict)

    def where(self, index: int) -> str:
        """The address of row `index`, counted from 0, as messages show it."""
        return row_address(self.file, self.before + index + 1, self.lines[index])

    @property
    def blank_places(self) -> list[str]:
        """The addresses of the wholly blank rows."""
        return [f"{self.file}, line {line}" for line in self.blank_rows]

    def column(self, name: str) -> list[Cell]:
        """All cells of one column, in the rows' order."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def row_address(file: str, number: int, line: int) -> str:
    """`tickets.csv, row 17 (line 19)`: the same words as `Row.where`, for a row that could not be read."""
    return Row({}, file, number, line).where


def excerpt(text: str, limit: int = LONGEST_EXCERPT) -> str:
    """The start of a user's text on one line, in quotes, for a message."""
    flat = " ".join(text[: 4 * limit].split())
    return repr(flat if len(flat) <= limit and len(text) <= 4 * limit else flat[: limit - 3] + "...")
