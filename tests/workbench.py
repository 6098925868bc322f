"""What tests of whole commands share: a tiny model, a data file, and the entry point called in this process.

`affina(...)` is the installed command without the seconds that a new process takes to import torch.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import io
import json
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from affina.cli.main import run
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import Evaluated, Step
from tiny_models import APART, make_apart, make_tiny

SCREEN_LINES = 24
SCREEN_COLUMNS = 80
LABELS = {
    "card": ("where is my card", "my card has not arrived yet", "the machine kept my card", "card never came"),
    "fee": ("why was I charged a fee", "the transfer fee is too high", "I paid a fee twice", "refund this fee"),
    "address": ("please change my address", "I moved to a new address", "my address is wrong", "update the address"),
}


@dataclass(frozen=True)
class Ended:
    """What a command left behind: its exit status and what it wrote to the two streams."""

    status: int
    out: str
    err: str


def affina(*words: str | Path) -> Ended:
    """Run the command in this process, through the installed entry point."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    arguments = ["affina", *(str(word) for word in words)]
    with mock.patch.object(sys, "argv", arguments), redirect_stdout(out), redirect_stderr(err):
        try:
            run()
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return Ended(status, out.getvalue(), err.getvalue())


@functools.cache
def tiny(family: str = "bert") -> Path:
    """The folder of a tiny random model, made once in a test session."""
    folder = tempfile.TemporaryDirectory(prefix=f"tiny-{family}-")
    atexit.register(folder.cleanup)
    make = make_apart if family in APART else make_tiny
    return make(family, Path(folder.name) / family)


def sample_rows(count: int = 60) -> list[tuple[str, str]]:
    """Different texts, `card`, `fee` and `address` in turn, the same ones each time."""
    draw = random.Random(7)  # noqa: S311 - not a secret
    labels = [list(LABELS)[number % len(LABELS)] for number in range(count)]
    return [(f"{draw.choice(LABELS[label])}, number {number}", label) for number, label in enumerate(labels)]


def write_jsonl(path: Path, rows: Iterable[object]) -> Path:
    """One JSON value a line."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Iterable[Sequence[str]], *, header: str = "text,label") -> Path:
    """A CSV with every cell quoted."""
    lines = [header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def files_under(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`: path to bytes, folders to None."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): _held(path) if path.is_file() else None for path in found}


def _held(path: Path) -> bytes | None:
    return path.read_bytes() if os.access(path, os.R_OK) else None


def screen_lines(text: str) -> int:
    """Lines that `text` takes on a terminal of the usual width."""
    return sum(max(1, math.ceil(len(line) / SCREEN_COLUMNS)) for line in text.rstrip("\n").split("\n"))


def check_refused(ended: Ended, folder: Path, before: dict[str, bytes | None], *, says: Sequence[str]) -> None:
    """The contract of every bad input: status 2, one screen, a whole message, no traceback, nothing written."""
    assert ended.status == 2, ended
    assert "Traceback" not in ended.err
    assert "a fault of ours" not in ended.err
    for part in ("error:", "expected:", "found:", "fix:", *says):
        assert part in ended.err, f"{part!r} is not in:\n{ended.err}"
    assert screen_lines(ended.err) <= SCREEN_LINES, ended.err
    assert files_under(folder) == before


def check_goes_on(ended: Ended, *, says: Sequence[str]) -> None:
    """The contract of a fault that a command can do without: it ends well, and says what it did without."""
    assert ended.status == 0, ended
    assert "Traceback" not in ended.err
    said = " ".join((ended.out + ended.err).split())  # a terminal breaks lines where it likes
    for part in says:
        assert part in said, f"{part!r} is not in:\n{said}"


def bits(folder: RunFolder) -> str:
    """A sum over the weights that are shipped and all that was computed on the way."""
    found = hashlib.sha256()
    for shipped in folder.shipped:
        for path in sorted(shipped.glob("*.safetensors")):
            found.update(path.read_bytes())
    for record in read(folder.journal):
        if isinstance(record, Step):
            found.update(repr((record.step, record.loss, record.gradient_norm)).encode())
        elif isinstance(record, Evaluated):
            found.update(repr(record).encode())
    return found.hexdigest()
