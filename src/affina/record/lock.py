"""One process at a time in a run folder: an advisory lock, which the system releases however the process ends.

On POSIX systems the folder itself is locked; elsewhere a file in it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

LOCK: Final = ".lock"
"""The file that is locked where a folder cannot be."""


class FolderLock:
    """The lock on a folder, held until `release`.

    Args:
        folder: an existing folder.

    Raises:
        BlockingIOError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _open(folder)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise BlockingIOError(str(error)) from error

    def release(self) -> None:
        """Let others in; calling it twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


if sys.platform == "win32":
    import msvcrt

    def _open(folder: Path) -> int:
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _open(folder: Path) -> int:
        return os.open(folder, os.O_RDONLY)

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
