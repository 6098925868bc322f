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
    (re.compile(rb"(?s).{257}ustar"), "a tar archive", ""),
    (re.compile(rb"(?i)\s*<(!doctype html|html)"), "a web page, such as the error page of a download", ""),
)
HEAD_BYTES: Final = 512
"""How much of a file tells what it is."""

_BY_BEGINNING: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ARCHIVE, ".parquet", ".pq"})
"""Suffixes whose files have a beginning of their own, always."""
_TEXTS: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})


def refuse_other_kind(head: bytes, suffix: str, *, file: str) -> None:
    """Stop where a file's first bytes are not what its suffix stands for.

    Args:
        head: the first `HEAD_BYTES`, or all of a shorter file.
        suffix: of a format or a packing.
        file: the file's name.

    Raises:
        DataError: it is of another kind.
    """
    if not head:
        return
    kind, right = next(((kind, right) for pattern, kind, right in _BEGINNINGS if pattern.match(head)), ("", ""))
    if right == suffix or (right == ".parquet" and suffix == ".pq"):
        return
    if suffix in _BY_BEGINNING:
        found = kind or f"something else, which begins with {_shown(head)}"
        fix = f"if it is {kind}, rename it to end in {right}" if right else "write or download it again"
        if not kind and suffix in {".gz", ".bz2", ".xz", ".zst"}:
            fix = f"if it is not packed, rename it without {suffix}; else write or download it again"
        raise DataError(Problem(where=file, expected=f"what {suffix} stands for", found=found, fix=fix))
    if suffix in _TEXTS and kind:
        fix = f"rename it to end in {right}" if right else "save the rows as CSV, or download them again"
        if right in {".gz", ".bz2", ".xz", ".zst"}:
            fix = f"rename it to end in {suffix}{right}"
        elif right == ARCHIVE:
            fix += "; if it is a spreadsheet, save it as CSV"
        raise DataError(Problem(where=file, expected=f"text, as {suffix} stands for", found=kind, fix=fix))


def _shown(head: bytes) -> str:
    text = head[:40].decode("ascii", errors="replace")
    return excerpt(text) if text.isprintable() or text.isascii() else head[:8].hex(" ")
