"""How several labels stand in one cell: as a list, divided by a sign or a blank, or each in a column of its own.

Which notation a file has is found in `guess`; what is made of the labels is `several`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Final

LIST: Final = "json"
BLANK: Final = "blank"
ALONE: Final = "none"
COLUMNS: Final = "columns"
"""Of 0 and 1, one for each label."""
DELIMITERS: Final = ("|", ";", ",")
_JOINING: Final = (" ", "/", "\n", "+", "&", " and ")


def listed(cell: str) -> tuple[str, ...] | None:
    """The labels of a cell that is a list, as JSON or Python writes it; None for any other cell."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            values = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(values, list) and all(isinstance(value, str | int) for value in values):
            return tuple(str(value).strip() for value in values)
    return None


def divided(cell: str, separator: str) -> tuple[str, ...]:
    """The labels of a cell in a notation that is no list; empty ones, as after a last separator, are none."""
    if separator == ALONE:
        return tuple(filter(None, (cell.strip(),)))
    parts = cell.split() if separator == BLANK else [part.strip() for part in cell.split(separator)]
    return tuple(filter(None, parts))


def named_notation(separator: str) -> str:
    """A notation in words."""
    words = {LIST: "a list", BLANK: "labels divided by blanks", ALONE: "one label", COLUMNS: "columns of 0 and 1"}
    return words.get(separator, f"labels divided by {separator!r}")


def is_joined(label: str, labels: Mapping[str, int], separator: str, *, given: bool) -> bool:
    """Whether a label is put together of other labels by another separator than the file's.

    Signs that names of labels have too, such as a blank, count only where they join labels that more rows have, and
    where nobody said which notation it is.
    """
    others = [mark for mark in DELIMITERS if mark not in (separator, LIST) and mark in label]
    if any(_are_labels(divided(label, mark), labels) for mark in others):
        return True
    if given:
        return False
    found = [_in_brackets(label), *(divided(label, mark) for mark in _JOINING if mark in label and mark != separator)]
    return any(_are_labels(parts, labels) and all(labels[part] > labels[label] for part in parts) for parts in found)


def _are_labels(parts: Sequence[str], labels: Mapping[str, int]) -> bool:
    return len(parts) > 1 and all(part in labels for part in parts)


def _in_brackets(label: str) -> tuple[str, ...]:
    """The labels of a set or a tuple as Python writes it; none for any other text."""
    if label[:1] + label[-1:] not in ("{}", "()"):
        return ()
    return tuple(part.strip().strip("'\"") for part in label[1:-1].split(","))
