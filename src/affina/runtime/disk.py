"""How much room a disk has. torch is not needed."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_disk(folder: Path) -> int:
    """Bytes on the disk where `folder` is or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
