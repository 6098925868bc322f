"""The spine of a run: an append-only file of payloads, one JSON object a line, and its reader.

Observers see each payload as it is written, frozen, and cannot steer. This module does not interpret what it stores.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, get_args

from affina.errors import Problem, RunError
from affina.record import payloads
from affina.record.audited import Check, Cut, Encoded, Lengths, Suspect
from affina.record.payloads import CellShare, ClassRow, Finding, Measured, Payload, Sample

Observer = Callable[[Payload], None]

KINDS: Final[dict[str, type[Payload]]] = {kind.__name__.lower(): kind for kind in get_args(payloads.Payload)}
PARTS: Final[dict[str, Callable[..., Any]]] = {
    "findings": Finding,
    "checks": Check,
    "lengths": Lengths,
    "cuts": Cut,
    "encoded": Encoded,
    "suspects": Suspect,
    "classes": ClassRow,
    "cells": CellShare,
    "samples": Sample,
}


class Journal:
    """Appends payloads to `path` and tells the observers.

    Args:
        path: the `record.jsonl` to append to; created with its folder if absent.
        observers: called with each payload after it was written.
    """

    def __init__(self, path: Path, *, observers: Sequence[Observer] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._observers = tuple(observers)

    def append(self, payload: Payload) -> None:
        """Write one line and hand it to the observers."""
        line = json.dumps({"kind": type(payload).__name__.lower(), **dataclasses.asdict(payload)}, ensure_ascii=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        for observe in self._observers:
            observe(payload)

    def position(self) -> int:
        """Bytes on disk so far, for a checkpoint to come back to."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file; appending afterwards is a fault."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def cut(path: Path, *, position: int) -> None:
    """Forget what was written after `position` bytes: the run goes on from there and writes it again.

    Raises:
        RunError: the file is shorter than that.
    """
    if path.stat().st_size < position:
        raise RunError(
            Problem(
                where=str(path),
                expected=f"at least the {position:,} bytes that its checkpoint was written after",
                found=f"{path.stat().st_size:,} bytes",
                fix="put the whole file back, or remove the run folder to start again",
            )
        )
    with path.open("r+b") as file:
        file.truncate(position)


def read(path: Path) -> list[Payload]:
    """Every payload of a `record.jsonl`, in order; a last line that was cut off by a crash is left out.

    Raises:
        RunError: the file is missing, or a line before the last is not a payload.
    """
    if not path.is_file():
        raise RunError(
            Problem(
                where=str(path),
                expected="the record of a run",
                found="no such file",
                fix="name a folder that `affina train` wrote (it holds record.jsonl)",
            )
        )
    lines = path.read_bytes().split(b"\n")
    found: list[Payload] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            found.append(_payload(json.loads(line.decode())))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if number == len(lines):
                break
            raise RunError(
                Problem(
                    where=f"{path}, line {number}",
                    expected="one record a line, as this version of Affina writes them",
                    found=f"{type(error).__name__}: {error}",
                    fix="use the version of Affina that wrote the run, or train again",
                )
            ) from error
    return found


def _payload(data: dict[str, Any]) -> Payload:
    kind = KINDS[data.pop("kind")]
    for name, part in PARTS.items():
        if name in data:
            data[name] = tuple(part(**_typed(item)) for item in data[name])
    if data.get("spread") is not None:
        data["spread"] = payloads.Spread(**data["spread"])
    if kind is payloads.Scores:
        data["metrics"] = _typed(data["metrics"])
        data["confusion"] = tuple(tuple(row) for row in data["confusion"])
    if kind is payloads.RangeTested:
        data = _typed(data)
    return kind(**data)


def _typed(item: dict[str, Any]) -> dict[str, Any]:
    """The fields of a part as the payloads have them: a list was a tuple, an object a figure."""
    return {name: _value(value) for name, value in item.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return Measured(**value)
    return tuple(value) if isinstance(value, list) else value
