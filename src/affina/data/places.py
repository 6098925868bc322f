"""From an address to data files: a file, a folder of files, an archive, something in one, or a data set of the Hub.

In a folder or an archive, files and subfolders called train, validation (valid, dev) and test are its splits; else all
data files are its rows, in the order of their names. What is in the files is not looked at here (`formats`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from affina.data import hub
from affina.data.formats import FORMATS, READ, is_data
from affina.data.items import Item
from affina.data.kinds import ARCHIVE
from affina.data.listing import BESIDE, SPLITS, Listing, in_archive, in_folder, split_of
from affina.data.missing import missing, missing_in_archive, unreadable_name
from affina.data.passages import is_running_text
from affina.errors import DataError, Problem
from affina.values import Resolved

_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Place:
    """The data files that an address stands for.

    Attributes:
        address: as the user wrote it.
        items: the files; where there are splits, those of train.
        splits: validation and test to their addresses, where the place has such splits.
        note: which files were chosen and why, where that is not plain from the address.
    """

    address: str
    items: tuple[Item, ...]
    splits: Mapping[str, str] = field(default_factory=dict)
    note: Resolved[str] | None = None


def locate(address: str) -> Place:
    """The data files at an address.

    Raises:
        DataError: nothing is there, or nothing that can be read.
    """
    if hub.is_hub(address):
        return _on_hub(address)
    path = Path(address)
    if path.is_dir():
        return _chosen(in_folder(path, address))
    if path.is_file():
        if path.suffix.lower() == ARCHIVE:
            return _chosen(in_archive(path, address))
        if not is_data(path.name):
            raise DataError(unreadable_name(address, READ))
        return Place(address, (Item(address, path),))
    found = _inside(path, address)
    if found is None:
        raise DataError(missing(path, address, is_data))
    return found


def is_place(text: str) -> bool:
    """Whether a text is the address of something that is there, or of a data set of the Hub; any text may be asked.

    A word alone is a folder's address only where data files lie in it, running text aside.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return "/" in text or (any(map(_is_table, path.iterdir())) and bool(text.strip()))
        return hub.is_hub(text) or path.exists() or (ARCHIVE in text.lower() and _archive_of(path) is not None)
    except (OSError, ValueError):
        return False


def _is_table(path: Path) -> bool:
    return is_data(path.name) and not is_running_text(path.name)


def _chosen(listing: Listing) -> Place:
    """The data files of a folder: those of its train split, or all of them."""
    here = listing.data()
    folders = listing.folders()
    if not here and len(folders) == 1 and split_of(folders[0]) is None:
        return _chosen(listing.under(folders[0]))
    by_split: dict[str, list[str]] = {}
    for name in (*here, *folders):
        by_split.setdefault(split_of(name) or "", []).append(name)
    held_out: dict[str, list[str]] = {split: by_split[split] for split in ("validation", "test") if split in by_split}
    train = by_split.get("train") or [name for name in by_split.get("", ()) if name in here]
    if held_out and train:
        return _with_splits(listing, here, train, held_out)
    if not here:
        raise DataError(_nothing(listing))
    left = sorted((listing.here().keys() - here.keys() - BESIDE) | set(folders))
    reason = f"all data files of {listing.address}, in the order of their names" + _left(left)
    note = Resolved(_listed(list(here)), reason) if len(here) > 1 or left else None
    return Place(listing.address, tuple(here.values()), note=note)


def _with_splits(
    listing: Listing, here: Mapping[str, Item], train: Sequence[str], held_out: Mapping[str, Sequence[str]]
) -> Place:
    items = _items(listing, here, train)
    for split, names in held_out.items():
        _items(listing, here, names)
        if len(names) > 1 and not set(names) <= here.keys():
            fix = "put the files into the folder, or name what is meant"
            what = f"several of one split: {', '.join(names)}"
            raise DataError(
                Problem(where=listing.address, expected=f"files or a folder of {split}", found=what, fix=fix)
            )
    used = {*train, *(name for names in held_out.values() for name in names)}
    left = sorted((listing.here().keys() | set(listing.folders())) - used - BESIDE)
    reason = f"{listing.address} has files or folders called {', '.join(('train', *held_out))}" + _left(left)
    splits = {
        split: f"{listing.address.rstrip('/')}/{names[0] if len(names) == 1 else split}"
        for split, names in held_out.items()
    }
    return Place(listing.address, items, splits, Resolved(_listed(train), reason))


def _items(listing: Listing, here: Mapping[str, Item], names: Iterable[str]) -> tuple[Item, ...]:
    """Files by name, and the data files of folders by name."""
    found: list[Item] = []
    for name in names:
        if name in here:
            found.append(here[name])
        else:
            inner = listing.under(name)
            if not (data := inner.data()):
                raise DataError(_nothing(inner))
            found += data.values()
    return tuple(found)


def _inside(path: Path, address: str) -> Place | None:
    """What an address stands for that is no path itself: something in an archive, or a split of a folder."""
    archive = _archive_of(path)
    if archive is not None:
        listing = in_archive(archive, str(archive))
        inner = path.relative_to(archive).as_posix()
        if inner in listing.files and is_data(inner):
            return Place(address, (listing.files[inner],))
        if any(name.startswith(f"{inner}/") for name in listing.files):
            return _chosen(listing.under(inner))
        above = PurePosixPath(inner).parent.as_posix()
        found = _split(listing if above == "." else listing.under(above), path.name)
        if found is None:
            raise DataError(
                missing_in_archive(address, str(archive), [name for name in listing.files if is_data(name)])
            )
        return found
    if path.parent.is_dir():
        return _split(in_folder(path.parent, str(path.parent)), path.name)
    return None


def _split(listing: Listing, name: str) -> Place | None:
    """The files of a split that has several: `data/test` of `data/test-00000-of-00002.parquet` and so on."""
    if name not in SPLITS.values():
        return None
    here = {file: item for file, item in listing.data().items() if split_of(file) == name}
    return Place(f"{listing.address}/{name}", tuple(here.values())) if here else None


def _archive_of(path: Path) -> Path | None:
    return next((above for above in path.parents if above.suffix.lower() == ARCHIVE and above.is_file()), None)


def _on_hub(address: str) -> Place:
    found = hub.fetch(address)
    items = tuple(Item(name, path) for name, path in found.files)
    note = Resolved(found.split, found.reason) if found.reason else None
    return Place(address, items, found.splits, note)


def _nothing(listing: Listing) -> Problem:
    names = sorted(listing.here()) + [f"{name}/" for name in listing.folders()]
    return Problem(
        where=listing.address,
        expected=f"data files: {', '.join(FORMATS)}",
        found=_listed(names) if names else "nothing",
        fix="name a folder or an archive with data files in it",
    )


def _left(names: Sequence[str]) -> str:
    return f"; not read: {_listed(names)}" if names else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
