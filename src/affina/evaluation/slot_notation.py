"""Attributes with values as people write them: the notations of inputs from which a text is made.

What a text says of them is `slot_phrases`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

Slot = tuple[str, str]
"""An attribute and its value."""
_BRACKETS: Final = re.compile(r"\s*([^\[\],|]+)\[([^\]]*)\]\s*[,|]?")
_PAIR: Final = re.compile(r"\s*([^:=|;\n]+?)[^\S\n]*[:=][^\S\n]*([^|;\n]*?)\s*(?:[|;\n]|,(?=[^:=|;,\n]+[:=])|$)")
"""A comma ends a value where another attribute follows it."""
LONGEST_INPUT: Final = 5_000
"""Letters: a longer text is no list of attributes."""
LEAST_SHARE: Final = 0.9
"""Of the inputs must read as attributes with values, for slots to be counted; and of values must be short."""
SHORT_VALUE: Final = 10
"""Words: with longer values, `a: x` is a heading and its text."""


def parse_slots(given: str) -> tuple[Slot, ...]:
    """Attributes with values as people write them, each once; nothing where the text is not made of such alone.

    Read are `a[x], b[y]`; `a: x` and `a = x` with `|`, `;`, a comma or a new line before the next; and a JSON object: a
    list there is a slot for each of its values, an object inside it has names with a point, and null is no slot.
    """
    if len(given) > LONGEST_INPUT:
        return ()
    if given.lstrip().startswith("{"):
        return tuple(dict.fromkeys(_of_object(given)))
    for pattern in (_BRACKETS, _PAIR):
        found = []
        position = 0
        while position < len(given.rstrip()) and (match := pattern.match(given, position)) and match.end() > position:
            found.append((match[1].strip(), match[2].strip()))
            position = match.end()
        if found and position >= len(given.rstrip()):
            return tuple(dict.fromkeys(found))
    return ()


def _of_object(given: str) -> list[Slot]:
    try:
        value = json.loads(given)
    except (ValueError, RecursionError):
        return []
    return list(_of_value("", value)) if isinstance(value, dict) else []


def _of_value(name: str, value: Any) -> Iterator[Slot]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_value(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _of_value(name, inner)
    elif value is not None:
        yield (name, str(value).lower() if isinstance(value, bool) else str(value))


def written(slot: Slot) -> str:
    """`rating[5 out of 5]`."""
    return f"{slot[0]}[{slot[1]}]"


def is_plain(given: str) -> bool:
    """Whether the attributes are written with `:` or `=`, which texts of other kinds have too."""
    return not given.lstrip().startswith("{") and not _BRACKETS.match(given)


def are_headings(found: Sequence[Sequence[Slot]]) -> bool:
    """Whether these are rather texts such as `Summarize: …` than attributes: mostly one alone, or with long values."""
    alone = sum(len(slots) == 1 for slots in found)
    values = [value for slots in found for _, value in slots]
    long = sum(len(value.split()) > SHORT_VALUE for value in values)
    return 2 * alone > len(found) or long > (1 - LEAST_SHARE) * len(values)
