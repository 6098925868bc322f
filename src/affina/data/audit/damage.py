"""Letters that a wrong encoding left behind: mojibake such as `Ã©`, replacement characters, control characters.

Mojibake is UTF-8 that was read as Windows-1252 or Latin-1 and saved again. It is only called so where reading it back
gives valid UTF-8, so that capitals such as the Ã of NÃO are left alone. This module changes no text.
"""

from __future__ import annotations

import re
from typing import Final

from affina.data.audit.personal import masked_excerpt

REPLACED: Final = "replacement_characters"
MOJIBAKE: Final = "mojibake"
CONTROLS: Final = "control_characters"

_AFTER: Final = "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d" + (
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
"""What the bytes 80 to BF, which continue a letter in UTF-8, look like in Latin-1 and in Windows-1252."""
_SUSPECT: Final = re.compile(f"(?:[\u00c2-\u00f4][{_AFTER}]{{1,3}}){{1,8}}")
_CHINESE: Final = ("\u3000", "\ufe00")
_CONTROL: Final = re.compile("[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]")
_AROUND: Final = 15
"""Characters shown before and after."""


def damage_of(text: str) -> tuple[str, str] | None:
    """The kind of the first damage in a text and its surroundings, or None for a sound text."""
    if text.isascii():
        found = _CONTROL.search(text)
        return (CONTROLS, _shown(text, found.start())) if found else None
    place = text.find("\ufffd")
    if place >= 0:
        return REPLACED, _shown(text, place)
    for match in _SUSPECT.finditer(text):
        if _is_mojibake(match.group()):
            return MOJIBAKE, _shown(text, match.start())
    found = _CONTROL.search(text)
    return (CONTROLS, _shown(text, found.start())) if found else None


def _is_mojibake(letters: str) -> bool:
    """Whether the letters, as the bytes they were read from, are UTF-8.

    An accent before a closing quote (as in French, with a blank that does not break) looks like one letter of Chinese;
    Chinese that was read so comes as several letters.
    """
    raw = bytes(_byte(letter) for letter in letters)
    read = raw.decode("utf-8", errors="ignore")
    return any(not _CHINESE[0] <= letter < _CHINESE[1] for letter in read if letter > "\x7f") or len(read) > 1


def _byte(letter: str) -> int:
    return ord(letter) if ord(letter) < 0x100 else letter.encode("cp1252")[0]


def _shown(text: str, place: int) -> str:
    return masked_excerpt(text[max(0, place - _AROUND) : place + _AROUND])
