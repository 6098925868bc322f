"""Text from the user's data made fit for a page: no character that hides, steers or breaks, and no end of it in sight.

Every text that a template writes goes through `clean`, whatever it is: a label, a file name, a cell of ten megabytes.
Escaping is the template's; this module changes nothing in a text that a reader could see.
"""

from __future__ import annotations

import re
from typing import Any, Final

from markupsafe import Markup

LONGEST: Final = 2_000
"""Characters of one text on a page; the rest is counted."""
LONGEST_CELL: Final = 400
"""The same of a user's text inside a table."""

_INVISIBLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Controls but tab and the ends of lines, marks that turn what follows around, and halves of surrogate pairs."""
_PICTURES: Final = 0x2400
"""Unicode's pictures of the 32 C0 controls begin here."""


def clean(value: Any) -> Any:
    """A text with its invisible characters shown and its length bounded; any other value as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(shortened(value, LONGEST))


def visible(text: str) -> str:
    """`text` with a picture for each control (`␀`), and a code for every other character that hides (`<U+202E>`)."""
    return _INVISIBLE.sub(_shown, text)


def shortened(text: str, longest: int = LONGEST_CELL, *, hidden: int = 0) -> str:
    """The first `longest` characters of `text`, with how many more there are.

    Args:
        text: what to shorten.
        longest: characters that are kept.
        hidden: characters that were cut off before.
    """
    more = hidden + max(0, len(text) - longest)
    return f"{text[:longest]} … ({more:,} more characters)" if more else text


def one_line(text: str) -> str:
    """`text` clean and on one line, for a heading or a table in plain text."""
    return " ".join(str(clean(text)).split())


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"
