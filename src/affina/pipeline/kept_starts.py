"""What a run measured before its first step, kept for one of the same rows, model, recipe, versions and machine.

Baselines, the start of a new head, the learning rate and the first evaluation follow from these, so that a second run
would only measure them again, bit for bit. They are kept in the cache folder as the lines of the record, the head's
tensors and the random states: what a resumed run would go on from. This module measures nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from affina.errors import AffinaError
from affina.pipeline import rates
from affina.pipeline.prepared import Prepared
from affina.pipeline.replayed import texts_for
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.same_run import code_hash, hash_of
from affina.record.journal import Journal, read
from affina.record.payloads import Chosen, Evaluated, Payload
from affina.runtime import cache, randomness

KEY: Final = "train.reuse"
KIND: Final = "starts"
MOST: Final = 50
"""Starts that are kept."""
LINES: Final = "lines.jsonl"
HEAD: Final = "head.safetensors"
STATE: Final = "state.json"
APART: Final = {"run", "notice"}
"""Keys of a recipe that change nothing that is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A run before its first step.

    Attributes:
        key: what it depends on, hashed.
        lines: what was recorded of it.
        head: name to the tensors of a new head.
        random: the state of every generator (`runtime.randomness`).
        evaluated: the metrics on the validation rows; None before they were evaluated.
        run: the folder of the run that measured it.
    """

    key: str
    lines: tuple[Payload, ...]
    head: Mapping[str, Tensor]
    random: Mapping[str, Any]
    run: str
    evaluated: Mapping[str, float] | None = None


def key_of(run: Prepared) -> str | None:
    """What a start depends on, hashed; None where it is not kept.

    That is so where the recipe does not want it, where a second model is asked, whose files are not looked at, and
    where frozen blocks are run in each pass although their states were to be kept, whose last bits are others.
    """
    cost = run.subject.baseline_cost(run)
    if not run.recipe.train.reuse or (cost is not None and cost.beside) or not run.frozen.as_planned:
        return None
    recipe = resolved_recipe(run).model_dump(mode="json", exclude=APART)
    texts = texts_for(run)
    given = {
        **{f"rows, {name}": _digest(row.fields for row in rows) for name, rows in run.rows.items()},
        **{f"lengths, {name}": _digest([list(lengths)]) for name, lengths in run.subject.lengths.items()},
        "texts": _digest(texts.pieces if texts else ()),
    }
    return hash_of(run, recipe, given, code_hash(), torch.backends.cpu.get_cpu_capability())[:32]


def taken(run: Prepared, journal: Journal, key: str) -> tuple[Prepared, Start] | None:
    """The run at the start that another one has measured, recorded as its own; None where there is none."""
    start = _read(key)
    if start is None or start.head.keys() != _head(run).keys():
        return None
    for name, tensor in _head(run).items():
        tensor.data.copy_(start.head[name])
    said = "baselines, head and rate are not measured again: rows, model, recipe, versions and machine are the same"
    journal.append(Chosen(key=KEY, value=start.run, reason=f"{said}; {KEY}=false measures them"))
    for line in start.lines:
        journal.append(line)
    randomness.restore(dict(start.random))
    return rates.recall(run, start.lines), start


def captured(run: Prepared, key: str, lines: Sequence[Payload], *, folder: Path) -> Start:
    """The start that a run stands at.

    Args:
        run: with its head and its rates settled.
        key: from `key_of`, before that.
        lines: what was recorded since.
        folder: of the run.
    """
    head = {name: tensor.detach().cpu().clone() for name, tensor in _head(run).items()}
    return Start(key=key, lines=tuple(lines), head=head, random=randomness.capture(), run=str(folder))


def keep(start: Start, records: Sequence[Payload]) -> None:
    """Write a start down for the next run, with the first evaluation of the record, unless it was taken over itself.

    It is never a cause to fail.
    """
    if start.evaluated is not None:
        return
    first = next((line.metrics for line in records if isinstance(line, Evaluated) and line.step == 0), None)
    if first is not None:  # a disk that is full says so in the words of whoever wrote last
        with suppress(AffinaError, SafetensorError):
            cache.keep(KIND, start.key, functools.partial(_write, replace(start, evaluated=first)), most=MOST)


def _write(start: Start, folder: Path) -> None:
    with Journal(folder / LINES) as journal:
        for line in start.lines:
            journal.append(line)
    save_file(dict(start.head), folder / HEAD)
    state = {"random": start.random, "evaluated": start.evaluated, "run": start.run}
    (folder / STATE).write_text(json.dumps(state), encoding="utf-8")


def _read(key: str) -> Start | None:
    folder = cache.kept(KIND, key)
    if folder is None:
        return None
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return Start(key=key, lines=tuple(read(folder / LINES)), head=load_file(folder / HEAD), **state)
    except (OSError, ValueError, TypeError, AffinaError, SafetensorError):
        return None


def _head(run: Prepared) -> dict[str, torch.nn.Parameter]:
    """What starting a head changes."""
    groups = [group.parameters for group in run.attached.parameter_groups() if group.part == "head"]
    return {name: tensor for group in groups for name, tensor in group.items()}


def _digest(values: Any) -> str:
    found = hashlib.sha256()
    for value in values:
        found.update(json.dumps(value, sort_keys=True, default=dict).encode() + b"\n")
    return found.hexdigest()
