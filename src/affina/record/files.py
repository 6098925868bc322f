"""Writing files so that a reader sees all of one or none of it: a temporary name, fsync, rename.

Every write, fsync and rename of a run's own files goes through `put`, `sync` and `rename`, and what the system says
against one becomes an error with the path and a fix (`told`). This module knows nothing of what the files hold.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from affina.errors import AffinaError, Problem, ResourceError, RunError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
OF_THE_DISK: Final = FULL | FORBIDDEN | {errno.EIO}
_LEFT: Final = re.compile(r"\.(?P<name>.+)\.[^.]+\.(?P<kind>partial|old)")
_OF_RUST: Final = re.compile(r"os error (\d+)")
"""How libraries in Rust, which write safetensors, name the system's error number."""


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, replacing what was there in one move.

    Raises:
        ResourceError: the disk is full.
        RunError: the system does not let it be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileIO(temporary, "w") as file:
                put(file, text.encode())
            sync(temporary)
            rename(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `path` when the block ends well and is removed when it does not.

    An older folder at `path` stays until the new one is complete on disk.

    Raises:
        ResourceError: the disk is full.
        RunError: the system does not let it be written.
    """
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            temporary.chmod(0o777 & ~_umask())
            yield temporary
            for file in (*temporary.rglob("*"), temporary):
                if file.is_file():  # libraries make files that only their owner may read
                    file.chmod(0o666 & ~_umask())
                sync(file)
            _swap_in(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap_in(new: Path, path: Path) -> None:
    """Put `new` where `path` is; between the two renames the old one still exists beside it."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        rename(path, old)
    try:
        rename(new, path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def is_left_over(path: Path) -> bool:
    """Whether this is what a process left behind that was killed while it wrote."""
    return _LEFT.fullmatch(path.name) is not None


def clear_left_over(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; an old folder whose new one never came is put back.

    To be called by the only process that writes there.
    """
    for path in sorted(folder.glob(".*")):
        found = _LEFT.fullmatch(path.name)
        if found is None:
            continue
        place = path.with_name(found["name"])
        if found["kind"] == "old" and not place.exists():
            path.rename(place)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def put(file: FileIO, data: bytes) -> None:
    """Write all of `data`; the system may take it in pieces."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(path: Path, to: Path) -> None:
    """Give a file or folder another name, at one stroke; a file that was there is replaced."""
    path.replace(to)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say what the system had against writing `path` in the words of an error with a fix.

    Raises:
        ResourceError: the disk is full.
        RunError: the system does not let it be written.
    """
    try:
        yield
    except AffinaError:
        raise
    except Exception as error:
        number = _number(error)
        if number is None or number not in OF_THE_DISK:
            raise
        raise _refused(path, number) from error


def _number(error: Exception) -> int | None:
    """The system's number of an error that it gave for a write; None for all others."""
    if isinstance(error, OSError):
        return error.errno
    found = _OF_RUST.search(str(error))
    return int(found[1]) if found else None


def _refused(path: Path, number: int) -> AffinaError:
    again = "give the same command again: it goes on from what was written before, which is whole"
    fix = "give yourself the right to write there, or write another run=..."
    if number not in FORBIDDEN:
        fix = f"make room on that disk, and {again}" if number in FULL else f"look at that disk, then {again}"
    kind = ResourceError if number in FULL else RunError
    said = os.strerror(number)
    return kind(Problem(where=str(path), expected="a file or folder that can be written", found=said, fix=fix))


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
