"""Whether a folder could be made and written to, asked before hours are spent on what is to go there."""

from __future__ import annotations

import os
from pathlib import Path

from affina.errors import Problem, RunError


def check_can_write(path: Path) -> None:
    """Stop before the training where its folder could not be made or written to.

    Raises:
        RunError: it could not; nothing was made.
    """
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    raise RunError(
        Problem(
            where=f"run folder {path}",
            expected="a folder that can be written to",
            found=f"{there}, {'without the right to write there' if there.is_dir() else 'a file'}",
            fix="write another run=...",
        )
    )
