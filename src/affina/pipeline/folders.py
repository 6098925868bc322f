"""Where a run goes: a new folder, or the unfinished one of the same recipe, to go on in; either is locked.

This module creates the folder and its lock and nothing else; of what a stopped run left, only what a killed process had
not finished writing is cleared away, and nothing else is changed.
"""

from __future__ import annotations

import copy
import functools
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from affina.data.gathering import name_after
from affina.errors import Problem, RunError
from affina.models.source import fingerprint
from affina.pipeline.damaged import Damaged, soundest
from affina.pipeline.occupied import is_none, lost
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import SETTLED
from affina.pipeline.resolved import resolved_recipe
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.record import journal
from affina.record.files import clear_left_over, told
from affina.record.folder import RunFolder
from affina.record.lock import FolderLock
from affina.record.payloads import Chosen, DataRead, Finished, Payload, Started
from affina.record.starts import ModelLoaded, Restarted
from affina.record.writable import check_can_write
from affina.reporting.asked import differing
from affina.values import Resolved

RUNS: Final = "runs"
BUSY: Final = "a run that another process is busy with"
MOST_KEYS: Final = 3
LONGEST_VALUE: Final = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A run folder that this process holds, and the checkpoint to go on from, if any.

    Attributes:
        folder: of the run.
        resume: the newest checkpoint that is sound.
        lock: on the folder.
        damaged: those newer than it.
    """

    folder: RunFolder
    resume: Path | None
    lock: FolderLock
    damaged: tuple[Damaged, ...] = ()


def choose_folder(prepared: Prepared, *, must_resume: bool) -> Place:
    """The folder for this run, created if new, and locked until `Place.lock` is released.

    With `run: auto`, `runs/NAME` after the training file, numbered when that is taken by a finished or another run. A
    run of the same recipe that was stopped goes on, in either case.

    Args:
        prepared: the run.
        must_resume: there must be a run to go on from.

    Raises:
        RunError: the folder asked for is another's, in use or finished; there is nothing to resume; or what the run
            depends on has changed since it was started.
    """
    asked = prepared.recipe.run
    for path in _candidates(prepared.recipe):
        if must_resume and not path.exists():
            break
        taken = _claim(path, prepared)
        if isinstance(taken, Place):
            if not must_resume or taken.resume is not None:
                return taken
            taken.lock.release()
        elif asked != AUTO:
            raise _taken(path, taken)
    raise RunError(
        Problem(
            where=asked if asked != AUTO else RUNS,
            expected="a stopped run of this same recipe, with a checkpoint",
            found="none",
            fix="leave out --resume to start from the beginning",
        )
    )


def goes_on_in(recipe: Recipe) -> Path | None:
    """The folder of the stopped run that this one would go on with; nothing is locked, made or refused."""
    found = _stopped(recipe)
    return None if found is None else found[0]


def begun_with(recipe: Recipe, *keys: str) -> Resolved[Any] | None:
    """What a stopped run began with, which this recipe goes on with; None without one.

    Args:
        recipe: as asked.
        keys: of the recipe, one inside the other, such as `method`; the value comes as plain data.
    """
    found = _stopped(recipe)
    if found is None:
        return None
    path, records = found
    started = next(record for record in records if isinstance(record, Started))
    try:
        value = functools.reduce(operator.getitem, keys, started.resolved)
    except KeyError:  # a key that the version which began it did not have
        return None
    return Resolved(value, f"as it was when {path} was started")


def _stopped(recipe: Recipe) -> tuple[Path, Sequence[Payload]] | None:
    """The folder of the stopped run of this recipe, and its record."""
    for path in _candidates(recipe):
        if not path.is_dir():
            return None
        with suppress(RunError):
            records = journal.read(RunFolder(path).journal)
            if records and _cannot_go_on(records, recipe) is None:
                return path, records
        if recipe.run != AUTO:
            return None
    return None


def _candidates(recipe: Recipe) -> Iterator[Path]:
    if recipe.run != AUTO:
        return iter([Path(recipe.run)])
    stem = name_after(recipe.data)
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return (Path(RUNS, name) for name in names)


def _claim(path: Path, prepared: Prepared) -> Place | str:
    """Lock this folder if it is free or holds a stopped run of the same recipe; else why it cannot be used."""
    check_can_write(path)
    folder = RunFolder(path)
    if reason := is_none(folder):
        return reason
    with told(path):
        path.mkdir(parents=True, exist_ok=True)
    try:
        lock = FolderLock(path)
    except BlockingIOError:
        return BUSY
    try:
        records = journal.read(folder.journal) if folder.journal.is_file() else []
        reason = _cannot_go_on(records, prepared.recipe) if records else lost(folder)
        if reason is None and records:
            _check_unchanged(records, prepared, folder)
    except BaseException:
        lock.release()
        raise
    if reason is not None:
        lock.release()
        return reason
    for place in (folder.path, folder.checkpoints):
        clear_left_over(place)
    resume, damaged = soundest(folder, prepared.attached.state_dict()) if records else (None, [])
    return Place(folder, resume, lock, tuple(damaged))


def _cannot_go_on(records: Sequence[Payload], recipe: Recipe) -> str | None:
    started = next((record for record in records if isinstance(record, Started)), None)
    if started is None:
        return "files that are not a run of Affina"
    now = recipe.model_dump(mode="json")
    known = (started.asked, started.resolved, _as_trained(started, records))
    if now not in known:
        nearest = min((_told_apart(before, now) for before in known), key=len)
        return f"a run of another recipe: {', '.join(nearest[:MOST_KEYS])}" + (
            f", and {len(nearest) - MOST_KEYS} more keys" if len(nearest) > MOST_KEYS else ""
        )
    return "a finished run" if any(isinstance(record, Finished) for record in records) else None


def _check_unchanged(records: Sequence[Payload], prepared: Prepared, folder: RunFolder) -> None:
    """What the run was started with must still be so: the data, the base model, and what `auto` came to."""
    problems = [
        _changed(what, folder, before=before, now=now)
        for what, before, now in _dependencies(records, prepared)
        if before != now
    ]
    if problems:
        raise RunError(*problems)


def _dependencies(records: Sequence[Payload], prepared: Prepared) -> Iterator[tuple[str, str, str]]:
    first = next(record for record in records if isinstance(record, Started))
    for record in records:
        if isinstance(record, DataRead):
            now = prepared.loaded.files
            yield from ((file, record.files.get(file, ""), now.get(file, "")) for file in {**record.files, **now})
        elif isinstance(record, ModelLoaded):
            source = prepared.model.source
            yield f"the model {source.reference}", record.fingerprint, fingerprint(source)
        elif record is first:  # what it went on with later is the same, in other words
            asked = prepared.recipe.model_dump(mode="json")
            before = first.resolved if asked == first.asked else _as_trained(first, records)
            apart = differing(before, resolved_recipe(prepared).model_dump(mode="json"))
            for key, (was, now) in sorted(apart.items()):
                yield f"the value of {key}", str(was), str(now)


def _as_trained(started: Started, records: Sequence[Payload]) -> dict[str, Any]:
    """The resolved recipe with what was settled after it was written down: what recipe.yaml came to say."""
    found = copy.deepcopy(started.resolved)
    for record in records:
        if isinstance(record, Chosen) and record.key in SETTLED:
            *path, name = record.key.split(".")
            functools.reduce(operator.getitem, path, found)[name] = record.value
        elif isinstance(record, Restarted):
            found["train"] |= {"learning_rate": record.learning_rate, "head_learning_rate": record.head_learning_rate}
    return found


def _told_apart(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, with both values; the folder itself last, since it says least."""
    apart = sorted(differing(before, now).items(), key=lambda item: (item[0] == "run", item[0]))
    return [f"{key} was {_given(was)} and is now {_given(here)}" for key, (was, here) in apart]


def _given(value: Any) -> str:
    return "not given" if value is None else str(value)[:LONGEST_VALUE]


def _changed(what: str, folder: RunFolder, *, before: str, now: str) -> Problem:
    return Problem(
        where=f"{what}, in the run {folder.path}",
        expected=f"the same as when the run was started ({before[:40]})",
        found=f"something else ({now[:40]})",
        fix=f"put it back as it was to go on, or write another run=... to start with what is there now; {folder.path} "
        "is left as it is",
    )


def _taken(path: Path, reason: str) -> RunError:
    return RunError(
        Problem(
            where=f"run folder {path}",
            expected="a new folder, or a stopped run of this same recipe",
            found=reason,
            fix=f"{'wait for its end, or ' if reason == BUSY else ''}write another run=..., such as run={path}-2",
        )
    )
