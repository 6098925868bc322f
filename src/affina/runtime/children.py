"""Processes of our own that answer in lines of JSON: how one is started, what it says, and how an error crosses over.

What is asked and answered is between its two sides; torch is needed on neither of them for this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any, Final

from affina import errors
from affina.errors import AffinaError, Problem

KILLED: Final = -9
"""The status of a process that the system ended, as it does where memory runs out."""
LONGEST: Final = 300
Tell = Callable[[str, Any], None]
"""Is given the kind of a message and what it says."""


def start(module: str, *, stderr: IO[bytes], apart: bool = False) -> subprocess.Popen[str]:
    """Start `python -m module` with pipes to and from it.

    Args:
        module: one of ours.
        stderr: gets what it says beside its answers.
        apart: in a session of its own, so that Ctrl-C reaches this process alone.
    """
    # our own interpreter and a fixed list of arguments, without a shell
    return subprocess.Popen(  # noqa: S603 - one of our modules
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        encoding="utf-8",
        start_new_session=apart,
    )


def into(child: subprocess.Popen[str]) -> IO[str]:
    """What a started process reads."""
    if child.stdin is None:
        raise ValueError("a process with pipes was started")
    return child.stdin


def messages(child: subprocess.Popen[str]) -> Iterator[tuple[str, Any]]:
    """The kind and the value of each message, until the process has ended."""
    if child.stdout is None:
        raise ValueError("a process with pipes was started")
    with child.stdout as answers:
        for line in answers:
            message = json.loads(line)
            yield message["kind"], message["value"]
    child.wait()


@contextmanager
def answering() -> Iterator[Tell]:
    """The other side: sends messages to the real standard output; whatever else writes there goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)

        def tell(kind: str, value: Any) -> None:
            out.write(json.dumps({"kind": kind, "value": value}) + "\n")
            out.flush()

        yield tell


def as_message(error: AffinaError) -> dict[str, Any]:
    """An error as plain data."""
    return {"name": type(error).__name__, "problems": [asdict(problem) for problem in error.problems]}


def error_of(value: dict[str, Any]) -> AffinaError:
    """The error that `as_message` was made of."""
    kind: type[AffinaError] = getattr(errors, value["name"])
    return kind(*(Problem(**problem) for problem in value["problems"]))


def words_of(stderr: IO[bytes]) -> str:
    """What a process that has ended said beside its answers."""
    stderr.seek(0)
    return stderr.read().decode(errors="replace").strip()


def last_line(words: str) -> str:
    """The last of it, where the reason of a failure mostly is."""
    return (words.splitlines() or ["nothing"])[-1][:LONGEST]
