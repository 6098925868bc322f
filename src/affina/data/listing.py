"""What lies in a folder or an archive, by name; nothing is opened. Which of it is read is `places`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from affina.data.archives import members_of, refuse_encrypted
from affina.data.formats import is_data
from affina.data.items import Item
from affina.data.passages import is_running_text
from affina.errors import DataError, Problem

_SPLIT: Final = re.compile(r"(train|validation|valid|dev|test)(-\d+(-of-\d+)?)?", re.IGNORECASE)
"""What a split's files are called before their suffix; numbered parts as the Hub's tools write them."""
SPLITS: Final = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
BESIDE: Final = frozenset({"dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json"})
"""What the library `datasets` writes beside the data it saves."""
_LEVELS: Final = 3
"""Of folders: one that holds nothing but another one, that one, and a folder for each split in it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files under a folder, or in an archive or a part of it.

    Attributes:
        address: of the folder or the archive.
        files: path in it to file, in order.
    """

    address: str
    files: Mapping[str, Item]

    def data(self) -> dict[str, Item]:
        """The data files that lie here, not in a subfolder; running text only where there is no table under here."""
        tables = any(is_data(path) and not is_running_text(path) for path in self.files)
        found = {name: item for name, item in self.here().items() if is_data(name) and name not in BESIDE}
        return {name: item for name, item in found.items() if not (tables and is_running_text(name))}

    def under(self, folder: str) -> Listing:
        """What a subfolder holds."""
        start = f"{folder}/"
        inner = {path.removeprefix(start): item for path, item in self.files.items() if path.startswith(start)}
        return Listing(f"{self.address.rstrip('/')}/{folder}", inner)

    def here(self) -> dict[str, Item]:
        """All files that lie here, by name."""
        return {path: item for path, item in self.files.items() if "/" not in path}

    def folders(self) -> list[str]:
        """The names of the subfolders."""
        return sorted({path.partition("/")[0] for path in self.files if "/" in path})


def in_folder(folder: Path, address: str) -> Listing:
    """A folder's files, and those of its subfolders, which may be splits.

    Raises:
        DataError: a folder cannot be read.
    """
    found: dict[str, Item] = {}
    waiting = [(folder, 1)]
    while waiting:
        here, level = waiting.pop()
        for entry in _entries(here, address):
            if entry.is_dir() and level < _LEVELS:
                waiting.append((entry, level + 1))
            elif entry.is_file():
                found[entry.relative_to(folder).as_posix()] = Item(str(entry), entry)
    return Listing(address, dict(sorted(found.items())))


def _entries(folder: Path, address: str) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if _is_seen(entry.name)]
    except OSError as error:
        fix = "give yourself the right to read it, or copy it to your own folder"
        why = f"the system could not list {folder}: {error.strerror}"
        raise DataError(Problem(where=address, expected="a folder that can be read", found=why, fix=fix)) from None


def in_archive(path: Path, address: str) -> Listing:
    """An archive's files.

    Raises:
        DataError: it is damaged, encrypted or made to do harm.
    """
    found = {}
    for info in members_of(path, file=address):
        if all(map(_is_seen, PurePosixPath(info.filename).parts)):
            item = Item(f"{address}/{info.filename}", path, info.filename)
            if is_data(info.filename):
                refuse_encrypted(info, file=item.name)
            found[info.filename] = item
    return Listing(address, found)


def _is_seen(name: str) -> bool:
    return not name.startswith((".", "__MACOSX"))


def split_of(name: str) -> str | None:
    """The split that a file or folder of this name is, if any."""
    stem = name.partition(".")[0]
    found = _SPLIT.fullmatch(stem)
    return SPLITS[found[1].lower()] if found else None
