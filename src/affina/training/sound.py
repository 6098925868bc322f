"""Whether a checkpoint can be gone on from: it is as it was written, it is this run's, and it fits what trains.

A disk changes bytes, which the sums tell. People copy folders between runs and edit files, and write the sums anew:
what a file holds is looked at too, before anything of it reaches the model. Reads all and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from affina.errors import RunError
from affina.record import journal
from affina.record.folder import RunFolder
from affina.runtime import randomness
from affina.training.checkpoint import OPTIMIZER, STATE, TRAINED, State, check_sums, damaged, load_state
from affina.training.guard import Guard
from affina.training.optimizer import ROWS, may_be
from affina.training.stopping import EarlyStopping

COUNTS: Final = ("step", "journal", "rows", "tokens", "seconds")
"""Of a state: none of them is below 0."""


def check(folder: RunFolder, path: Path, *, trains: Mapping[str, Tensor]) -> None:
    """Look at a checkpoint, and at the best weights that it counts on.

    Args:
        folder: of the run.
        path: of the checkpoint.
        trains: what the run trains, name to tensor, for the names and the shapes.

    Raises:
        RunError: a file is missing, damaged, or not of this run.
    """
    _check_no_link(path)
    check_sums(path, TRAINED, OPTIMIZER, STATE)
    state = load_state(path)
    try:
        _check_state(folder, path, state)
        _check_tensors(path, trains)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RuntimeError, SafetensorError) as error:
        raise RunError(damaged(path, error)) from error
    best = folder.best(state.stopping["best_step"])
    _check_no_link(best)
    check_sums(best, TRAINED)
    try:
        _check_weights(best, trains)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(damaged(best, error)) from error


def _check_no_link(path: Path) -> None:
    """Affina writes none: what a link leads to is another's, and might be changed or removed through it."""
    for each in (path, *path.glob("*")):
        if each.is_symlink():
            raise RunError(damaged(path, ValueError(f"{each.name} is a link, to {each.readlink()}")))


def _check_state(folder: RunFolder, path: Path, state: State) -> None:
    for kind, given in ((State, state), (EarlyStopping, state.stopping), (Guard, state.guard)):
        _check_types(kind, given)
    if below := next((name for name in COUNTS if getattr(state, name) < 0), None):
        raise ValueError(f"{below} is {getattr(state, below)}")
    if folder.step(state.step) != path:
        raise ValueError(f"it says that it is of step {state.step}")
    if state.record != journal.identity(folder.journal):
        raise ValueError("it is of another run: it was not written beside this record.jsonl")
    if (held := folder.journal.stat().st_size) < state.journal:
        raise ValueError(f"it was written after {state.journal:,} bytes of record.jsonl, which has {held:,}")
    if state.parts < 1:
        raise ValueError(f"parts is {state.parts}")
    with randomness.untouched():
        randomness.restore(state.random)


def _check_types(kind: type[Any], given: Any) -> None:
    fields = asdict(given) if isinstance(given, State) else given
    try:
        kind(**fields)
        TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or kind.__name__}: {first['msg']}") from error


def _check_tensors(path: Path, trains: Mapping[str, Tensor]) -> None:
    """Weights that fit and are numbers, and moments of some of them."""
    _check_weights(path, trains)
    with safe_open(path / OPTIMIZER, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
        rows = {of: file.get_tensor(f"{ROWS}/{of}") for key, _, of in map(_parts, shapes) if key == ROWS}
    for name, shape in shapes.items():
        key, _, of = _parts(name)
        if of not in trains or not may_be(key, shape, trains[of], rows.get(of)):
            raise ValueError(f"{OPTIMIZER} has {name} of shape {list(shape)}, which nothing has that trains here")


def _parts(name: str) -> tuple[str, str, str]:
    return name.partition("/")


def _check_weights(path: Path, trains: Mapping[str, Tensor]) -> None:
    with safe_open(path / TRAINED, framework="pt") as file:
        names = set(file.keys())
        if other := sorted(names ^ trains.keys()):
            raise ValueError(
                f"{TRAINED} {'has' if other[0] in names else 'lacks'} {other[0]}: other tensors train here"
            )
        for name, tensor in trains.items():
            found = file.get_tensor(name)
            if found.shape != tensor.shape or found.dtype != tensor.dtype:
                raise ValueError(f"{name} is {_kind(found)} in {TRAINED} and {_kind(tensor)} in this run")
            if not bool(found.isfinite().all()):
                raise ValueError(f"{name} in {TRAINED} holds numbers that are not finite")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
