"""Giving free memory back to the system, so that a run does not grow with the number of its batches.

glibc keeps what is freed, in gaps between what is in use; with batches of ever other shapes the gaps grow step by step,
by a quarter of a run's memory and more within an epoch (docs/log.md). The largest batches come first, so what is held
after them is enough for all others: where more is held, the gaps are given back. Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Final, final

from affina.runtime import memory

SLACK: Final = 1.1
"""Times what was held after the largest batches. What is given back has to be had again: at 1.01 a small encoder gave
back 64 times in an epoch of 2,000 rows and was 12% slower, for 4% less memory (docs/log.md)."""


def _trimmer() -> Callable[[int], int] | None:
    """Glibc's `malloc_trim`, which gives back every free page of the heap; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found


_TRIM: Final = _trimmer()


def give_back() -> bool:
    """Give every free page of the heap back to the system; False where there is no way to."""
    if _TRIM is None:
        return False
    _TRIM(0)
    return True


@final
class Heap:
    """Keeps the heap as small as it was after the first, largest pieces of work.

    Args:
        largest: how many pieces of work set the measure.
    """

    def __init__(self, *, largest: int) -> None:
        self._largest = largest
        self._done = 0
        self._most = 0

    def settle(self) -> None:
        """To be called after each piece of work; takes a few hundredths of a second where pages are given back."""
        if _TRIM is None:
            return
        held = memory.resident()
        self._done += 1
        if self._done <= self._largest:
            self._most = max(self._most, held)
        elif held > SLACK * self._most:
            give_back()
