"""Running text (.txt): one document, read as passages of whole paragraphs.

The passages put together are the text again, letter by letter: nothing is stripped, and what divides paragraphs belongs
to the one before. This module does not open files (`items`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from affina.data.items import suffixes_of
from affina.data.table import Source, Table

SUFFIX: Final = ".txt"
COLUMN: Final = "text"
"""What the one column of such a table is called."""
LONGEST: Final = 8_000
"""Characters of a passage; blank lines at its end come on top."""
_BETWEEN: Final = re.compile(r"(?:\n[^\S\n]*)+\n|\Z")
"""The end of a paragraph with the blank lines behind it."""


def is_running_text(file: str) -> bool:
    """Whether a file of this name is running text and no table."""
    return suffixes_of(file)[0] == SUFFIX


def parse_passages(source: Source) -> Table:
    """The table of a text, with one passage a row."""
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    line, before = 1, 0
    for start, end in _gathered(source.text):
        line, before = line + source.text.count("\n", before, start), start
        rows.append((source.text[start:end],))
        lines.append(line)
    return Table(source.file, (COLUMN,), tuple(rows), tuple(lines), source.sha256)


def _gathered(text: str) -> Iterator[tuple[int, int]]:
    """Where passages begin and end: as many pieces, one after another, as fit."""
    first, last = 0, 0
    for start, body, end in _pieces(text):
        if last > first and body - first > LONGEST:
            yield first, last
            first = start
        last = end
    if last > first:
        yield first, last


def _pieces(text: str) -> Iterator[tuple[int, int, int]]:
    """Where paragraphs begin and end, without and with the blank lines behind them; a longer one in parts."""
    start = 0
    while start < len(text):
        body, end = _next(text, start)
        while body - start > LONGEST:
            cut = _cut(text, start)
            yield start, cut, cut
            start = cut
        yield start, body, end
        start = end


def _next(text: str, start: int) -> tuple[int, int]:
    """The end of the paragraph that begins at `start`, without and with the blank lines behind it."""
    words = next((place for place in range(start, len(text)) if not text[place].isspace()), len(text))
    found = _BETWEEN.search(text, words)
    return (len(text), len(text)) if found is None else found.span()


def _cut(text: str, start: int) -> int:
    """Where a long paragraph is divided: behind the last line end that fits, else behind a blank, else where it is."""
    stop = start + LONGEST
    line = text.rfind("\n", start, stop) + 1
    if line > start:
        return line
    blank = max(text.rfind(mark, start, stop) for mark in (" ", "\t", "\u3000")) + 1
    return blank if blank > start else stop
