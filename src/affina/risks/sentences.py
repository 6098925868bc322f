"""General sentences in English, written for Affina: what a model is asked to tell apart before and after a training.

They are in `sentences.txt`, whose head says how they were chosen. This module holds no rule.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("sentences.txt")


@cache
def sentences() -> tuple[str, ...]:
    """All of them, in order."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
