"""What the user is told of an address at which nothing is, or nothing that is read: the most similar name there is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from affina.data.table import excerpt
from affina.errors import Problem

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
"""`owner/name`, as data sets of the Hub are called."""


def missing(path: Path, address: str, is_data: Callable[[str], bool]) -> Problem:
    """Nothing is at the address.

    Args:
        path: the same.
        address: as the user wrote it.
        is_data: whether a file of some name is read.
    """
    found = "no such file" if path.parent.is_dir() else f"no such file, and no folder {path.parent}"
    try:
        entries = [entry for entry in path.parent.iterdir() if is_data(entry.name) or entry.suffix.lower() == ".zip"]
    except OSError:
        entries = []
    fix = _name_one_of([str(entry) for entry in entries], str(path))
    if _HUB_ID.fullmatch(address) and not path.parent.is_dir() and not path.suffix:
        fix = f"for the data set of that name on the Hub, write hf://{address}; for a file, {fix}"
    return Problem(where=address, expected="a file that exists", found=found, fix=fix)


def missing_in_archive(address: str, archive: str, names: Sequence[str]) -> Problem:
    """Nothing in the archive has that name."""
    fix = _name_one_of([f"{archive}/{name}" for name in names], address)
    return Problem(where=address, expected=f"a data file in {archive}", found="none of that name", fix=fix)


def unreadable_name(address: str, read: str) -> Problem:
    """A file whose name says that it is of another format than those that are read."""
    path = Path(address)
    found = f"the suffix {excerpt(path.suffix)}" if path.suffix else "a name without a suffix"
    if Path(path.stem).suffix:
        found = f"the suffixes {excerpt(''.join(path.suffixes[-2:]))}"
    fix = "save the data in one of these formats, or rename the file if it already is in one"
    if ".tar" in path.suffixes or path.suffix.lower() in {".tgz", ".tar"}:
        fix = f"unpack it, tar -xf {path}, and name the file or the folder that was in it"
    elif path.suffix.lower() in {".gz", ".bz2", ".xz", ".zst"}:
        fix = f"rename it so that the name says what is packed, such as {path.stem}.csv{path.suffix}"
    return Problem(where=address, expected=f"a file in one of the formats {read}", found=found, fix=fix)


def _name_one_of(paths: Sequence[str], wanted: str) -> str:
    """The most similar of some paths, else any of them."""
    paths = sorted(paths)
    by_name = {path.rpartition("/")[2].lower(): path for path in paths}
    name = wanted.rpartition("/")[2].lower()
    close = [by_name[entry] for entry in difflib.get_close_matches(name, by_name, n=3, cutoff=0.5)]
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if paths:
        return "name a data file: " + ", ".join(paths[:5])
    return "check the path: it is taken from the folder the command runs in"
