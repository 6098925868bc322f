"""From a file's bytes to its text: UTF-8, or what a byte order mark says; anything else is refused with its line.

Affina never guesses an encoding, because a wrong guess trains on wrong letters; the likely one is named in the error.
This module does not open files (`items`).
"""

from __future__ import annotations

import codecs
from typing import Final

from affina.data.items import suffixes_of
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.values import Resolved

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_RESAVE: Final = (
    "save the file as UTF-8 again: choose UTF-8 as the encoding in the program that wrote it"
    " (in a spreadsheet, 'CSV UTF-8')"
)


def decode(raw: bytes, *, file: str) -> str:
    """The text of a file's bytes.

    Raises:
        DataError: bytes that are not text in UTF-8, or not in the encoding of the file's byte order mark; one problem
            for each line.
    """
    encoding = encoding_of(raw)
    if encoding == "utf-8" and raw.count(0) * 3 > len(raw):
        found = "a NUL byte beside nearly every letter, as in UTF-16 without a byte order mark"
        raise DataError(Problem(where=file, expected="text in UTF-8", found=found, fix=_RESAVE))
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding in {"utf-8", "utf-8-sig"}:
            raise DataError(*_bad_lines(raw.removeprefix(codecs.BOM_UTF8), file)) from None
        found = f"bytes that are not {encoding.upper()} from byte {error.start} on, although the file begins as such"
        raise DataError(Problem(where=file, expected="text in UTF-8", found=found, fix=_RESAVE)) from None


def encoding_to_say(raw: bytes) -> Resolved[str] | None:
    """The encoding that a file's first bytes say, where it is another than UTF-8."""
    name = encoding_of(raw)
    if name.startswith("utf-8"):
        return None
    return Resolved(name.upper(), "by the byte order mark that the file begins with")


def encoding_of(raw: bytes) -> str:
    """The encoding that the first bytes of a file say by their byte order mark, else UTF-8."""
    return next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")


def _bad_lines(raw: bytes, file: str) -> list[Problem]:
    """One problem for each line that is not UTF-8."""
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    bad = [(number, error) for number, line in enumerate(lines, start=1) if (error := _error(line)) is not None]
    beyond_ascii = sum(not line.isascii() for line in lines)
    mixed = beyond_ascii > len(bad)
    return [_problem(file, number, error, mixed=mixed) for number, error in bad]


def _error(line: bytes) -> UnicodeDecodeError | None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return error
    return None


def _problem(file: str, number: int, error: UnicodeDecodeError, *, mixed: bool) -> Problem:
    found = f"byte 0x{error.object[error.start]:02X}, character {error.start + 1} of the line, which is not UTF-8"
    likely = _as_windows(error.object, error.start)
    if likely is not None:
        found += f"; in Windows-1252 (Latin-1) it reads {likely}"
    fix = _RESAVE
    if mixed:
        found += "; other lines are UTF-8, so the file mixes encodings"
        fix = "open the file as UTF-8 in a text editor, type the letters of this line again and save it as UTF-8"
    elif likely is not None and not suffixes_of(file)[1] and ".zip/" not in file.lower():
        fix += f", or run: iconv -f WINDOWS-1252 -t UTF-8 {file} > utf8-{file.replace(chr(92), '/').split('/')[-1]}"
    return Problem(where=f"{file}, line {number}", expected="text in UTF-8", found=found, fix=fix)


def _as_windows(line: bytes, start: int) -> str | None:
    """The surroundings of the bad byte as Windows-1252, or None where the byte is no printable character there."""
    try:
        letter = line[start : start + 1].decode("cp1252")
    except UnicodeDecodeError:
        return None
    around = line[max(0, start - 15) : start + 15].decode("cp1252", errors="replace")
    return excerpt(around) if letter.isprintable() else None
