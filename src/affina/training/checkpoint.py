"""Checkpoints: everything that the next step depends on, written whole or not at all, as safetensors and JSON.

A checkpoint is a folder: `trained.safetensors` (what the method trains), `optimizer.safetensors`, `state.json`
(step, random states, early stopping, loss scale, the record's length). `best-STEP` holds the trained weights of the
best evaluation alone. This module does not decide when to save.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from affina.errors import Problem, RunError
from affina.record.files import whole_folder
from affina.record.folder import RunFolder

TRAINED = "trained.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is neither a weight nor an optimizer moment.

    Attributes:
        step: optimizer steps done.
        random: the state of every generator (`runtime.randomness`).
        stopping: the state of early stopping.
        precision: the loss scale and its counters.
        journal: bytes of the record at this point.
        seconds: time spent training so far.
        rows: rows trained on so far.
        tokens: tokens trained on so far.
    """

    step: int
    random: dict[str, Any]
    stopping: dict[str, Any]
    precision: dict[str, Any]
    journal: int
    seconds: float
    rows: int
    tokens: int


def save(
    folder: RunFolder, state: State, *, trained: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], keep: int
) -> None:
    """Write the checkpoint of `state.step`, then remove all but the `keep` newest, and the weights that were the best.

    A best that was passed stays until then: the checkpoint before this one may still count on it.
    """
    with whole_folder(folder.step(state.step)) as path:
        save_file(_contiguous(trained), path / TRAINED)
        save_file(_contiguous(optimizer), path / OPTIMIZER)
        (path / STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
    older = sorted(folder.checkpoints.glob("step-*"))[:-keep]
    passed = [path for path in folder.checkpoints.glob("best-*") if path != folder.best(state.stopping["best_step"])]
    for path in (*older, *passed):
        shutil.rmtree(path)


Loaded = tuple[State, dict[str, Tensor], dict[str, Tensor]]
"""The state, the trained tensors and the optimizer's."""


def load(path: Path) -> Loaded:
    """The state, the trained tensors and the optimizer's tensors of one checkpoint folder.

    Raises:
        RunError: a file is missing or damaged.
    """
    try:
        state = State(**json.loads((path / STATE).read_text(encoding="utf-8")))
        return state, load_file(path / TRAINED), load_file(path / OPTIMIZER)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise RunError(_damaged(path, error)) from error


def save_best(folder: RunFolder, trained: Mapping[str, Tensor], *, step: int) -> None:
    """Keep the trained weights of the best evaluation so far, the one after `step` steps."""
    with whole_folder(folder.best(step)) as path:
        save_file(_contiguous(trained), path / TRAINED)


def load_best(folder: RunFolder, *, step: int) -> dict[str, Tensor]:
    """The trained weights of the best evaluation, the one after `step` steps.

    Raises:
        RunError: there are none, or the file is damaged.
    """
    try:
        trained: dict[str, Tensor] = load_file(folder.best(step) / TRAINED)
    except (OSError, SafetensorError) as error:
        raise RunError(_damaged(folder.best(step), error)) from error
    return trained


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _damaged(path: Path, error: Exception) -> Problem:
    return Problem(
        where=str(path),
        expected="a complete checkpoint",
        found=f"{type(error).__name__}: {error}",
        fix="remove this folder, so that the run goes on from the checkpoint before it or from the start",
    )
