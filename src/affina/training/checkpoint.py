"""Checkpoints: everything that the next step depends on, written whole or not at all, as safetensors and JSON.

A checkpoint is a folder: `trained.safetensors` (what the method trains), `optimizer.safetensors`, `state.json` (step,
random states, early stopping, loss scale, guard, the record's length) and `sums.json`, with a sum over each of these.
`best-STEP` holds the trained weights of the best evaluation alone, `snapshot-STEP` those of another moment. This module
does not decide when to save.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from affina.errors import Problem, RunError
from affina.record.files import put, whole_folder
from affina.record.folder import RunFolder

TRAINED = "trained.safetensors"
OPTIMIZER = "optimizer.safetensors"
PIECE = 1 << 20
STATE = "state.json"
SUMS = "sums.json"
"""CRC-32 of the files beside it: against what a disk does to them, not against people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is neither a weight nor an optimizer moment.

    Attributes:
        step: optimizer steps done.
        random: the state of every generator (`runtime.randomness`).
        stopping: the state of early stopping.
        precision: the loss scale and its counters.
        guard: the state of the guard.
        parts: that each micro-batch is computed in.
        record: which run's record it was written beside (`journal.identity`).
        journal: bytes of the record at this point.
        seconds: time spent training so far.
        rows: rows trained on so far.
        tokens: tokens trained on so far.
    """

    step: int
    random: dict[str, Any]
    stopping: dict[str, Any]
    precision: dict[str, Any]
    guard: dict[str, Any]
    parts: int
    record: int
    journal: int
    seconds: float
    rows: int
    tokens: int


def save(
    folder: RunFolder, state: State, *, trained: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], keep: int
) -> None:
    """Write the checkpoint of `state.step`, then remove all but the `keep` newest, and the weights that were the best.

    A best that was passed stays as long as a checkpoint that counts on it: what goes on from there may go back to it.
    """
    with whole_folder(folder.step(state.step)) as path:
        save_file(_contiguous(trained), path / TRAINED)
        save_file(_contiguous(optimizer), path / OPTIMIZER)
        _write(path / STATE, json.dumps(asdict(state)))
        _seal(path)
    steps = sorted(folder.checkpoints.glob("step-*"))
    counted_on = {_best_of(folder, path) for path in steps[-keep:]}
    for path in (*steps[:-keep], *(path for path in folder.checkpoints.glob("best-*") if path not in counted_on)):
        shutil.rmtree(path)


def _best_of(folder: RunFolder, path: Path) -> Path | None:
    """Where the best weights are that a checkpoint counts on; None for one that cannot be read."""
    try:
        return folder.best(json.loads((path / STATE).read_text(encoding="utf-8"))["stopping"]["best_step"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _seal(path: Path) -> None:
    _write(path / SUMS, json.dumps({file.name: _sum(file) for file in sorted(path.iterdir())}))


def _write(path: Path, text: str) -> None:
    with FileIO(path, "w") as file:
        put(file, text.encode())


def check_sums(path: Path, *names: str) -> None:
    """Whether the files of a checkpoint, or of best weights, are as they were written; reads all of them.

    Args:
        path: of the checkpoint.
        names: of its files.

    Raises:
        RunError: a file, or its sum, is missing or damaged.
    """
    try:
        sums = json.loads((path / SUMS).read_text(encoding="utf-8"))
        wrong = [name for name in names if sums.get(name) != _sum(path / name)]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(damaged(path, error)) from error
    if wrong:
        raise RunError(damaged(path, ValueError(f"{wrong[0]} is not as it was written")))


def _sum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found = zlib.crc32(piece, found)
    return found


def load_state(path: Path) -> State:
    """The state of one checkpoint folder, all files of which are whole as far as their sizes tell.

    The tensors are read by themselves (`load_trained`, `load_moments`) and are several times as large as the model:
    who holds them while training goes on holds all of that beside it.

    Raises:
        RunError: a file is missing or damaged.
    """
    try:
        for name in (TRAINED, OPTIMIZER):
            with safe_open(path / name, framework="pt"):  # reads the header, and looks whether the rest is there
                pass
        return State(**json.loads((path / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise RunError(damaged(path, error)) from error


def load_trained(path: Path) -> dict[str, Tensor]:
    """The trained tensors of a checkpoint, or of the best evaluation.

    Raises:
        RunError: the file is missing or damaged.
    """
    return _tensors(path, TRAINED)


def load_moments(path: Path) -> dict[str, Tensor]:
    """The optimizer's tensors of a checkpoint.

    Raises:
        RunError: the file is missing or damaged.
    """
    return _tensors(path, OPTIMIZER)


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path / name)
    except (OSError, SafetensorError) as error:
        raise RunError(damaged(path, error)) from error
    return tensors


def save_best(folder: RunFolder, trained: Mapping[str, Tensor], *, step: int) -> None:
    """Keep the trained weights of the best evaluation so far, the one after `step` steps."""
    with whole_folder(folder.best(step)) as path:
        save_file(_contiguous(trained), path / TRAINED)
        _seal(path)


def save_snapshot(folder: RunFolder, trained: Mapping[str, Tensor], *, step: int) -> None:
    """Keep the trained weights of this moment, whatever they are worth."""
    with whole_folder(folder.snapshot(step)) as path:
        save_file(_contiguous(trained), path / TRAINED)


def load_snapshot(folder: RunFolder, *, step: int) -> dict[str, Tensor]:
    """What `save_snapshot` kept.

    Raises:
        RunError: there is none, or the file is damaged.
    """
    return load_trained(folder.snapshot(step))


def load_best(folder: RunFolder, *, step: int) -> dict[str, Tensor]:
    """The trained weights of the best evaluation, the one after `step` steps.

    Raises:
        RunError: there are none, or the file is damaged.
    """
    return load_trained(folder.best(step))


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def damaged(path: Path, error: Exception) -> Problem:
    """That a checkpoint cannot be gone on from, and what is wrong with it."""
    return Problem(
        where=str(path),
        expected="a complete checkpoint",
        found=f"{type(error).__name__}: {error}",
        fix="remove this folder, so that the run goes on from the checkpoint before it or from the start",
    )
