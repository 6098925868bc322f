"""What a file is by its first bytes, and that this is what its name says.

The format is that of the name. A name that says something else is an error that says which it should be: Affina does
not guess, and reading a packed file as text would only say that it is not UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

from affina.data.table import excerpt
from affina.errors import DataError, Problem

ARCHIVE: Final = ".zip"
_BEGINNINGS: Final = (
    (re.compile(rb"\x1f\x8b"), "a gzip file", ".gz"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "a bzip2 file", ".bz2"),
    (re.compile(rb"\xfd7zXZ\0"), "an xz file", ".xz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a Zstandard file", ".zst"),
    (re.compile(rb"PK(\x03\x04|\x05\x06)"), "a zip archive, as spreadsheets (.xlsx, .ods) are too", ARCHIVE),
    (re.compile(rb"PAR1\x15"), "a Parquet file", ".parquet"),
    (re.compile(rb"ARROW1\0"), "an Arrow file", ".arrow"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old spreadsheet (.xls) or document", ""),
    (re.compile(rb"%PDF-"), "a PDF document", ""),
    (re.compile(rb"SQLite format 3\0"), "a SQLite database", ""),
    (re.compile(rb"7z\xbc\xaf\x27\x1c|Rar!\x1a"), "a 7z or RAR archive", ""),
    (re.compile(rb"(?s).{257}ustar(\x00|  \x00)"), "a tar archive", ""),
    (re.compile(rb"(?i)\s*<(!doctype html|html)"), "a web page, such as the error page of a download", ""),
)
HEAD_BYTES: Final = 512
"""How much of a file tells what it is."""

_PACKED: Final = frozenset({".gz", ".bz2", ".xz", ".zst"})
_BY_BEGINNING: Final = frozenset({*_PACKED, ".parquet", ".pq"})
"""Suffixes whose files always have a beginning of their own."""
_TEXTS: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt"})


def refuse_other_kind(head: bytes, suffix: str, *, file: str, inside: bool = False) -> None:
    """Stop where a file's first bytes are not what its suffix stands for.

    Args:
        head: the first `HEAD_BYTES`, or all of a shorter file.
        suffix: of a format or a packing.
        file: the file's name.
        inside: whether the bytes are those that a packed file holds.

    Raises:
        DataError: it is of another kind.
    """
    kind, right = next(((kind, right) for pattern, kind, right in _BEGINNINGS if pattern.match(head)), ("", ""))
    if not head or right == suffix or (right == ".parquet" and suffix == ".pq"):
        return
    if suffix in _BY_BEGINNING or (suffix in _TEXTS and kind):
        raise DataError(
            Problem(
                where=file,
                expected=f"text, as {suffix} stands for" if suffix in _TEXTS else f"what {suffix} stands for",
                found=kind or f"something else, which begins with {_shown(head)}",
                fix=_fix(file, suffix, right, kind=kind, inside=inside),
            )
        )


def _fix(file: str, suffix: str, right: str, *, kind: str, inside: bool) -> str:
    if not kind:
        plain = f"if it is not packed, rename it to {file.removesuffix(suffix)}; else " if suffix in _PACKED else ""
        return f"{plain}write or download it again"
    if not right:
        return "save the rows as CSV, or download them again"
    if inside:
        return f"unpack it, and rename what was in it to end in {right}"
    name = file if right in _PACKED and suffix not in _PACKED else file[: len(file) - len(suffix)]
    if right not in _PACKED and suffix in _PACKED:
        name = name.rpartition(".")[0]
    return f"rename it to {name}{right}" + ("; if it is a spreadsheet, save it as CSV" if right == ARCHIVE else "")


def _shown(head: bytes) -> str:
    text = " ".join(head[:40].decode("utf-8", errors="ignore").split())
    return excerpt(text) if text and text.isprintable() else head[:8].hex(" ")
