"""Ctrl-C and SIGTERM: the step is finished and a checkpoint written; a second Ctrl-C leaves at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred(then: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """While the block runs, the first signal only makes the yielded function return True.

    Outside the main thread Python has no signal handlers; there the function is always False.

    Args:
        then: called at the first signal, where something that waits has to be told.
    """
    asked = False

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not asked:
            asked = True
            then()

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
