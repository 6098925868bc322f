"""Zip archives: which files are in one, and what makes an archive unfit to be read.

Nothing is unpacked to disk, and what a name in an archive says of folders is checked before it is used. Reading a
member is `items`.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from affina.data.packing import FREE_BYTES, MOST_GROWTH, damaged, grows
from affina.data.table import excerpt
from affina.errors import DataError, Problem

MOST_MEMBERS: Final = 10_000
"""Files that an archive may hold."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_ENCRYPTED: Final = 0x1
"""The bit of a member's flags that says so (APPNOTE.TXT, section 4.4.4)."""


@contextmanager
def open_archive(opened: BinaryIO | Path, *, file: str) -> Iterator[zipfile.ZipFile]:
    """The archive, for as long as the block runs.

    Args:
        opened: its bytes, or where it lies.
        file: its name, for errors.

    Raises:
        DataError: it is no zip archive, or is damaged.
    """
    source: Any = opened
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(damaged(file, error)) from error
    with archive:
        yield archive


def members_of(path: Path, *, file: str) -> list[zipfile.ZipInfo]:
    """The files in an archive, in the order of their names.

    Raises:
        DataError: it is damaged, holds too many files or a name that leads out of it, or declares to grow too far.
    """
    with open_archive(path, file=file) as archive:
        found = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(found) > MOST_MEMBERS:
        raise DataError(_too_many(file, len(found)))
    names = [info.filename for info in found]
    for name in names:
        _refuse_escape(file, name)
    if len(set(names)) < len(names):
        raise DataError(_twice(file, next(name for name, count in Counter(names).items() if count > 1)))
    size, unpacked = path.stat().st_size, sum(info.file_size for info in found)
    if unpacked > max(FREE_BYTES, MOST_GROWTH * size):
        raise DataError(grows(file, size, unpacked))
    return sorted(found, key=lambda info: info.filename)


def refuse_encrypted(info: zipfile.ZipInfo, *, file: str) -> None:
    """Stop at a member that only a password opens.

    Raises:
        DataError: it is encrypted.
    """
    if info.flag_bits & _ENCRYPTED:
        fix = "unpack the archive with its password, and name what was in it"
        raise DataError(Problem(where=file, expected="a file that can be read", found="an encrypted one", fix=fix))


def _refuse_escape(file: str, name: str) -> None:
    """A name such as `../a.csv`: nothing is written, but an archive that has one was not made in good faith."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if not name or path.is_absolute() or ".." in path.parts or _DRIVE.match(name) or str(path) != plain:
        fix = "make the archive anew with plain names, or unpack it yourself if you trust it"
        found = f"the name {excerpt(name)}, which leads out of it or is not a plain path"
        raise DataError(Problem(where=file, expected="an archive with plain names in it", found=found, fix=fix))


def _twice(file: str, name: str) -> Problem:
    return Problem(
        where=file,
        expected="a different name for each file in an archive",
        found=f"the name {excerpt(name)} twice, of which one would hide the other",
        fix="make the archive anew, or unpack it yourself and name the files",
    )


def _too_many(file: str, count: int) -> Problem:
    return Problem(
        where=file,
        expected=f"an archive with {MOST_MEMBERS:,} files at most",
        found=f"{count:,} files",
        fix="unpack it yourself, put the rows into fewer files, and name their folder",
    )
