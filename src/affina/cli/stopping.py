"""Ctrl-C and SIGTERM on the command line: whichever verb is running, it is said that it stopped, and the status is 130.

A training that has begun its steps ends by itself, with a checkpoint (`training.interrupts`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from affina.errors import Interrupted, Problem


class Verbs(TyperGroup):
    """The commands; one that is stopped ends with words, where click prints an empty line."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a command.

        Raises:
            Interrupted: the user stopped it.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(_stopped(ctx.invoked_subcommand or "")) from None


def _stopped(verb: str) -> Problem:
    return Problem(
        where=f"affina {verb}".strip(),
        expected="time to come to the end",
        found="stopped by you, with nothing to go on from",
        fix="give the same command again: it starts from its beginning",
    )


@contextmanager
def as_interrupt() -> Iterator[None]:
    """While the block runs, SIGTERM is what Ctrl-C is."""

    def handle(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
