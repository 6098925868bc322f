"""What may lie where a run is to begin or to go on, besides a run: said in words, and left as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from affina.record.files import is_left_over
from affina.record.folder import RunFolder
from affina.record.lock import LOCK

STARTED: Final = frozenset({LOCK, "recipe.yaml", "record.jsonl", "checkpoints"})
"""What a run may have written before its first record; a folder with nothing else in it can be started in."""


def is_none(folder: RunFolder) -> str | None:
    """What lies where a run would begin or go on, and is none; None where one can."""
    path, record, checkpoints = folder.path, folder.journal, folder.checkpoints
    if path.is_symlink() and not path.exists():
        return f"a link that leads nowhere ({path.readlink()})"
    if path.is_dir() and not record.is_file() and not _names(path) <= STARTED:
        return "files that are not a run of Affina"
    if record.is_symlink() or (record.exists() and not record.is_file()):
        return f"{record.name} is a {'link' if record.is_symlink() else 'folder'}, and no run's record"
    if (checkpoints.exists() or checkpoints.is_symlink()) and not checkpoints.is_dir():
        return f"{checkpoints.name} is no folder"
    return None


def lost(folder: RunFolder) -> str | None:
    """Of a folder without a record: checkpoints are hours of work, and never there before the record's first line."""
    if not folder.steps():
        return None
    return f"checkpoints ({folder.steps()[0].name}) without the record that they go on with: {folder.journal.name}"


def _names(path: Path) -> set[str]:
    return {item.name for item in path.iterdir() if not is_left_over(item)}
