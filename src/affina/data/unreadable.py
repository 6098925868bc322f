"""Cells that no tokenizer can read, whatever format they come from."""

from __future__ import annotations

import re
from typing import Final

from affina.data.table import Table, excerpt
from affina.errors import DataError, Problem

_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""What no tokenizer can read: a NUL, and half of a surrogate pair, which JSON can write as an escape."""


def refuse_no_text(table: Table) -> None:
    """Stop at cells that no tokenizer can read.

    Raises:
        DataError: one problem for each such cell or column name.
    """
    problems = [
        _no_text(f"{table.file}, header", name, match) for name in table.columns if (match := _NO_TEXT.search(name))
    ]
    for index, row in enumerate(table.rows):
        for name, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, str) and (match := _NO_TEXT.search(cell)):
                problems.append(_no_text(f"{table.where(index)}, column {name}", cell, match))
    if problems:
        raise DataError(*problems)


def _no_text(where: str, cell: str, match: re.Match[str]) -> Problem:
    kind = "a NUL byte" if match.group() == "\0" else "half of a surrogate pair"
    before = excerpt(cell[max(0, match.start() - 20) : match.start()])
    fix = "remove it, or write the file again: it was damaged or is not a text file"
    found = f"{kind} at character {match.start() + 1}, after {before}"
    return Problem(where=where, expected="text without NUL bytes or broken characters", found=found, fix=fix)
