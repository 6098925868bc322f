"""Text from the user's data inside Markdown: shown as it is, never taken for a heading, a link, HTML or a table's edge.

CommonMark lets any ASCII punctuation character be escaped with a backslash; HTML's own three become entities. Only
what Markdown would read is escaped, so that a card can be read as it stands. This module knows no template.
"""

from __future__ import annotations

import re
from typing import Any, Final

from affina.reporting.texts import one_line

_READ: Final = re.compile(
    r"[\\`*\[\]|~$@]"  # anywhere: code, emphasis, links, cells, strikethrough, formulas, addresses
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, which an underscore inside a word is not
    r"|:(?=//)|(?<=www)\."  # what GitHub makes a link of without being asked
    r"|^[-+=#]|(?<=^\d)[.)](?!\d)|(?<=^\d\d)[.)](?!\d)"  # lists and headings, at the beginning
)
_TICKS: Final = re.compile(r"`+")


class Verbatim(str):
    """Markdown that Affina wrote itself, not to be escaped."""

    __slots__ = ()


def escaped(value: Any) -> Any:
    """A text on one line with everything escaped that Markdown would read; any other value as it is."""
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    plain = one_line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _READ.sub(r"\\\g<0>", plain)


def fenced(lines: list[str], language: str) -> Verbatim:
    """A code block that no line of it can close."""
    plain = [one_line(line) for line in lines]
    longest = max((len(found) for line in plain for found in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return Verbatim("\n".join([f"{fence}{language}", *plain, fence]))
