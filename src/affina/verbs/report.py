"""Verb: report. The page about a run, made again from its record, without the model."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from affina.reporting import page


def report(run: str | PathLike[str]) -> Path:
    """Write `report.html` in the run folder.

    Raises:
        RunError: the folder holds no record.
    """
    return page.write(Path(fspath(run)))
