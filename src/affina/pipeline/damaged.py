"""Checkpoints that cannot be gone on from: found before a run does, passed over, and put aside with a notice.

Owns which checkpoint is gone on from, and what becomes of the others; what makes one sound is `training.sound`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from affina.errors import RunError
from affina.record.files import rename, told
from affina.record.folder import RunFolder
from affina.training import sound


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that nothing can go on from, and what is wrong with it."""

    path: Path
    why: str


def soundest(folder: RunFolder, trains: Mapping[str, Tensor]) -> tuple[Path | None, list[Damaged]]:
    """The newest checkpoint that the run can go on from, and those newer than it; nothing is changed.

    Args:
        folder: of the run.
        trains: what it trains, name to tensor.
    """
    damaged: list[Damaged] = []
    for path in folder.steps():
        try:
            sound.check(folder, path, trains=trains)
        except RunError as error:
            problem = error.problems[0]
            own = problem.where == str(path)
            damaged.append(Damaged(path, problem.found if own else f"{problem.where}: {problem.found}"))
        else:
            return path, damaged
    return None, damaged


def put_aside(folder: RunFolder, damaged: Sequence[Damaged], *, resume: Path | None) -> list[str]:
    """Move damaged checkpoints away, so that nothing goes on from them; what to tell the user of each.

    Args:
        folder: of the run.
        damaged: from `soundest`.
        resume: what the run goes on from in their place.
    """
    said = []
    whence = f"the checkpoint {resume.name}" if resume else "the start"
    for one in damaged:
        name = one.path.name
        numbered = (folder.damaged / f"{name}-{number}" for number in itertools.count(2))
        to = next(path for path in itertools.chain([folder.damaged / name], numbered) if not path.exists())
        with told(to):
            to.parent.mkdir(exist_ok=True)
            rename(one.path, to)
        said.append(
            f"the checkpoint {name} is damaged ({one.why}): it was put aside as {to}, which you may remove, and the "
            f"run goes on from {whence}"
        )
    return said
