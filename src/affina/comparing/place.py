"""Where a comparison goes: a new folder, or the one of the same comparison, to go on in; either is locked.

The same comparison is one of the same rows and the same recipe; methods and seeds may be added. This module creates
the folder and its lock; what runs left in it is read, and of a finished one what nobody needs any more is removed.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from affina.comparing.planned import Plan
from affina.data.gathering import name_after
from affina.errors import Problem, RunError
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.record import compared, journal
from affina.record.compared import FILE, Candidate, CandidateRun, Compared, RowsUsed
from affina.record.folder import RunFolder
from affina.record.lock import LOCK, FolderLock
from affina.record.payloads import Finished, Started
from affina.record.risks import RISKS
from affina.record.writable import check_can_write
from affina.reporting.asked import differing

RUNS: Final = "runs"
SUFFIX: Final = "-compare"
OF_A_RUNG: Final = frozenset(
    {"train.epochs", "train.max_steps", "evaluate.baselines", *(f"risks.{risk}.budget" for risk in RISKS)}
)
"""What the recipe of a rung has less of than was asked for."""
MOST_SHOWN: Final = 3
OF_ITS_OWN: Final = frozenset({"run", "seed", "method", "data.seed"})


@dataclass(frozen=True, slots=True)
class Place:
    """A comparison's folder, which this process holds.

    Attributes:
        path: where it is.
        before: what is written down in it already.
        lock: held until `release`.
        made: whether this process made the folder.
    """

    path: Path
    before: Compared | None
    lock: FolderLock
    made: bool

    def release(self) -> None:
        """Let others in, and leave no folder behind in which nothing ran."""
        self.lock.release()
        if self.made and {item.name for item in self.path.iterdir()} <= {LOCK, FILE}:
            shutil.rmtree(self.path)


def choose_place(plan: Plan, rows: RowsUsed) -> Place:
    """The folder for this comparison, created if new.

    With `run: auto`, `runs/NAME-compare` after the training file, numbered where another comparison has that.

    Raises:
        RunError: the folder asked for is another's, or in use.
    """
    problems: list[Problem] = []
    for path in _candidates(plan.base):
        taken = _claim(path, plan, rows)
        if isinstance(taken, Place):
            return taken
        problems = taken
    raise RunError(*problems)


def _candidates(base: Recipe) -> Iterator[Path]:
    if base.run != AUTO:
        return iter([Path(base.run)])
    stem = f"{name_after(base.data)}{SUFFIX}"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return (Path(RUNS, name) for name in names)


def _claim(path: Path, plan: Plan, rows: RowsUsed) -> Place | list[Problem]:
    """Lock this folder if it is free or holds this comparison; else what is wrong with it."""
    check_can_write(path)
    if path.is_dir() and not (path / FILE).is_file() and not {item.name for item in path.iterdir()} <= {LOCK}:
        return [_taken(path, "files that are not a comparison of Affina")]
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        lock = FolderLock(path)
    except BlockingIOError:
        return [_taken(path, "a comparison that another process is busy with")]
    try:
        before = compared.read(path) if (path / FILE).is_file() else None
        problems = [] if before is None else list(_differences(path, before, plan, rows))
    except BaseException:
        lock.release()
        raise
    if problems:
        lock.release()
        return problems
    return Place(path, before, lock, made)


def _differences(path: Path, before: Compared, plan: Plan, rows: RowsUsed) -> Iterator[Problem]:
    """Where the comparison in a folder is another one."""
    for file in {**before.data.files, **rows.files}:
        was, now = (found.files.get(file, "not among them") for found in (before.data, rows))
        if was != now:
            yield _other(f"the file {file}", path, was=was[:16], now=now[:16])
    recipe = plan.base.model_dump(mode="json")
    for key, (then, here) in _keys(before.base, recipe).items():
        yield _other(f"recipe key {key}", path, was=str(then), now=str(here))
    if before.data.sha256 != rows.sha256 and before.data.files == rows.files:
        yield _other("the rows of the splits", path, was="the same rows", now="others")


def _keys(before: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted key to both values, of what may not differ."""
    apart = differing(before, now)
    return {key: values for key, values in apart.items() if key not in OF_ITS_OWN and not key.startswith("method.")}


def run_folder(candidate: str, seed: int, share: float = 1.0) -> str:
    """Where a run lies within the comparison's folder: `lora-seed0`, or of a rung `rungs/0.333/lora-seed0`."""
    name = f"{candidate}-seed{seed}"
    return name if share == 1 else f"rungs/{share:.3g}/{name}"


def is_finished(folder: Path, recipe: Recipe, *, share: float = 1.0) -> bool:
    """Whether a run of this recipe has come to its end there.

    Raises:
        RunError: the folder holds a run of another recipe, or another process is busy with it.
    """
    if not RunFolder(folder).journal.is_file():
        return False
    try:
        FolderLock(folder).release()
    except BlockingIOError:
        found = "a run that another process is busy with"
        fix = "wait until it has ended, and give the command again"
        raise RunError(
            Problem(where=f"run folder {folder}", expected="a run that is over", found=found, fix=fix)
        ) from None
    records = journal.read_known(RunFolder(folder).journal).records
    started = next((record for record in records if isinstance(record, Started)), None)
    if started is None:
        return False
    apart = differing(started.asked, recipe.model_dump(mode="json"))
    problems = [
        _other(f"recipe key {key}", folder, was=str(was), now=str(now))
        for key, (was, now) in apart.items()
        if key != "run" and not (share < 1 and key in OF_A_RUNG)
    ]
    if problems:
        raise RunError(*problems[:MOST_SHOWN])
    return any(isinstance(record, Finished) for record in records)


def shipped_of(folder: Path) -> tuple[str, int | None]:
    """Which folder of a run is to be passed on, and its bytes without the card: the adapter where there is one."""
    for path in reversed(RunFolder(folder).shipped):
        sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file() and file.name != "README.md"]
        return path.name, sum(sizes)
    return "", None


def as_finished(folder: Path, candidate: Candidate, seed: int, share: float, *, wall: float | None) -> CandidateRun:
    """A finished run in the comparison's folder, as the comparison has it.

    Args:
        folder: of the comparison.
        candidate: whose run it is.
        seed: of the run.
        share: of the budget.
        wall: seconds of its process; None where those are not known.
    """
    name = run_folder(candidate.folder, seed, share)
    ships, size = shipped_of(folder / name)
    return CandidateRun(
        candidate=candidate.name, seed=seed, share=share, folder=name, wall_seconds=wall, ships=ships, bytes=size
    )


def tidy(folder: Path, run: CandidateRun) -> None:
    """Remove the checkpoints of a finished run, and of a rung its model: a comparison takes the room of its models."""
    if run.state == "finished":
        shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)
    if run.state == "finished" and run.share < 1:
        for path in RunFolder(folder).shipped:
            shutil.rmtree(path)


def _taken(path: Path, found: str) -> Problem:
    return Problem(
        where=f"run folder {path}",
        expected="a new folder, or this same comparison",
        found=found,
        fix=f"write another run=..., such as run={path}-2",
    )


def _other(what: str, path: Path, *, was: str, now: str) -> Problem:
    return Problem(
        where=f"{what}, in the comparison {path}",
        expected=f"the same as when it was begun: {was}",
        found=f"{now}, so it is another comparison",
        fix=f"make it the same to go on, or write another run=..., such as run={path}-2",
    )
