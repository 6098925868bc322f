"""The folder on the user's machine where what was made once is kept: where it is, how an entry is made and trusted.

An entry is built beside its place and renamed into it, so a crash or two processes at once leave nothing half-written.
This module does not know what is in an entry (`models.starters`, `models.gguf`, `pipeline.kept_starts`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from affina.errors import ModelError, Problem

Notify = Callable[[str], None]
MODELS: Final = "models"
MARKER: Final = "affina-cache.json"
_WORK_PREFIX: Final = ".building-"
_WORK_KEPT_SECONDS: Final = 24 * 3600
"""Leftovers of a killed process are removed after a day; younger ones may belong to a running one."""


def cache_folder() -> Path:
    """Return Affina's cache folder: `AFFINA_CACHE`, or `affina` in the platform's folder for caches."""
    own = os.environ.get("AFFINA_CACHE")
    if own:
        return Path(own).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "affina"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "affina" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "affina"
    return Path.home() / ".cache" / "affina"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(name: str, build: Callable[[Path], None], *, notify: Notify) -> Path:
    """Return the model `name`, built first where it is absent or damaged.

    Args:
        name: the entry's folder name; it must change when the content that `build` makes would.
        build: fills an empty folder; what it raises leaves the cache as it was.
        notify: told when a damaged entry is built again.

    Raises:
        ModelError: the cache folder cannot be written to.
    """
    folder = cache_folder() / MODELS / name
    if folder.is_dir():
        if is_whole(folder):
            return folder
        notify(f"the cached model in {folder} is damaged and is built again")
    try:
        _make(folder, build)
    except OSError as error:
        raise ModelError(
            Problem(
                where=f"the cache folder {folder.parent}",
                expected="a folder that can be written to, with room for the model",
                found=str(error),
                fix="free some space there, or set AFFINA_CACHE to a folder that can be written to",
            )
        ) from error
    return folder


def kept(kind: str, name: str) -> Path | None:
    """The entry `name` of a kind, if it is there and whole; it counts as used now."""
    folder = cache_folder() / kind / name
    if not is_whole(folder):
        return None
    with suppress(OSError):
        os.utime(folder)
    return folder


def keep(kind: str, name: str, build: Callable[[Path], None], *, most: int, most_bytes: int | None = None) -> None:
    """Make an entry, and remove the ones that were used longest ago; where the cache cannot be written to, nothing.

    Args:
        kind: of what; a folder of the cache.
        name: the entry's; it must change when the content would.
        build: fills an empty folder.
        most: how many entries of this kind stay.
        most_bytes: how much they may take together, the newest excepted, which stays.
    """
    parent = cache_folder() / kind
    with suppress(OSError):
        _make(parent / name, build)
        entries = [path for path in parent.iterdir() if not path.name.startswith(".")]
        taken = 0
        for place, path in enumerate(sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True)):
            taken += sum(file.stat().st_size for file in path.rglob("*")) if most_bytes is not None else 0
            if place >= most or (place and most_bytes is not None and taken > most_bytes):
                shutil.rmtree(path, ignore_errors=True)


def _make(folder: Path, build: Callable[[Path], None]) -> None:
    """Build an entry in the place of what may be there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_WORK_PREFIX) as work:
        new = Path(work) / "new"
        new.mkdir()
        build(new)
        _mark(new)
        _publish(new, folder)


def is_whole(folder: Path) -> bool:
    """Tell whether every file of an entry is what was written there.

    A file with the size and the time of its marker is trusted; any other is read and compared by its hash, so that a
    copied cache is still good and a load does not read everything twice.
    """
    try:
        files = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return all(_matches(folder / name, *entry) for name, entry in files.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _matches(path: Path, size: int, time_ns: int, sha256: str) -> bool:
    now = path.stat()
    return now.st_size == size and (now.st_mtime_ns == time_ns or file_sha256(path) == sha256)


def _mark(folder: Path) -> None:
    """Write down the size, the time and the hash of every file in a finished entry."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns, file_sha256(path))
        for path in paths
    }
    (folder / MARKER).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _publish(new: Path, folder: Path) -> None:
    """Move a finished entry into its place; where another process was first, theirs stays."""
    if folder.is_dir():
        if is_whole(folder):
            return
        folder.rename(new.with_name("damaged"))
    try:
        new.rename(folder)
    except OSError:
        if not is_whole(folder):
            raise


def _sweep(parent: Path) -> None:
    """Remove the work folders that killed processes left behind."""
    oldest = time.time() - _WORK_KEPT_SECONDS
    for path in parent.glob(f"{_WORK_PREFIX}*"):
        with suppress(FileNotFoundError):  # another process may finish, and remove its own, at this moment
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
