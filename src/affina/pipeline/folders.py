"""Where a run goes: a new folder, or the unfinished one of the same recipe, to go on in.

Nothing is created here; a run folder appears when there is something to write. What a run left behind that stopped
before its first checkpoint is cleared away, since it starts from the beginning again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affina.errors import Problem, RunError
from affina.pipeline.prepare import Prepared
from affina.recipe.schema import AUTO
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import DataRead, Finished, Payload, Scores, Started

RUNS: Final = "runs"


@dataclass(frozen=True, slots=True)
class Place:
    """A run folder, and the checkpoint to go on from, if any."""

    folder: RunFolder
    resume: Path | None

    def baselines(self) -> Mapping[str, Scores]:
        """What the run measured before training."""
        records = journal.read(self.folder.journal)
        return {record.who: record for record in records if isinstance(record, Scores) and record.who != "tuned"}


def choose_folder(prepared: Prepared, *, must_resume: bool) -> Place:
    """The folder for this run.

    With `run: auto`, `runs/NAME` after the training file, numbered when that is taken by a finished or another run. A
    run of the same recipe that was stopped goes on, in either case.

    Args:
        prepared: the run.
        must_resume: there must be a run to go on from.

    Raises:
        RunError: the folder asked for holds another or a finished run, or there is nothing to resume.
    """
    recipe = prepared.recipe
    if recipe.run != AUTO:
        place = _try(Path(recipe.run), prepared, asked=True)
    else:
        stem = Path(recipe.data.train or "run").stem
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        found = (_try(Path(RUNS, name), prepared, asked=False) for name in names)
        place = next(place for place in found if place is not None)
    if place is None or (must_resume and place.resume is None):
        raise RunError(
            Problem(
                where=recipe.run if recipe.run != AUTO else RUNS,
                expected="a stopped run of this same recipe, with a checkpoint",
                found="none",
                fix="leave out --resume to start from the beginning",
            )
        )
    return place


def _try(path: Path, prepared: Prepared, *, asked: bool) -> Place | None:
    """This folder if it is free, or holds a stopped run of the same recipe; None if it is another's."""
    folder = RunFolder(path)
    _check_can_write(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return Place(folder, None)
    records = journal.read(folder.journal) if folder.journal.is_file() else []
    if (reason := _cannot_go_on(records, prepared)) is None:
        _check_same_data(records, prepared, folder)
        if folder.last() is None:
            folder.journal.unlink()  # stopped before its first checkpoint: from the start again
        return Place(folder, folder.last())
    if not asked:
        return None
    raise RunError(
        Problem(
            where=f"run folder {path}",
            expected="a new folder, or a stopped run of this same recipe",
            found=reason,
            fix=f"write another run=..., or remove {path}",
        )
    )


def _check_can_write(path: Path) -> None:
    """Stop before the training where its folder could not be made or written to."""
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


def _cannot_go_on(records: list[Payload], prepared: Prepared) -> str | None:
    asked = [record.asked for record in records if isinstance(record, Started)]
    if not asked:
        return "files that are not a run of Affina"
    if asked[0] != prepared.recipe.model_dump(mode="json"):
        return "a run of another recipe"
    return "a finished run" if any(isinstance(record, Finished) for record in records) else None


def _check_same_data(records: list[Payload], prepared: Prepared, folder: RunFolder) -> None:
    before = next((record.files for record in records if isinstance(record, DataRead)), prepared.loaded.files)
    for file, digest in prepared.loaded.files.items():
        if before.get(file) != digest:
            raise RunError(
                Problem(
                    where=f"{file}, in the run {folder.path}",
                    expected="the same bytes as when the run was started",
                    found="a changed file",
                    fix=f"put the old file back to go on, or remove {folder.path} to start again",
                )
            )
