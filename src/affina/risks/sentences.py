"""General sentences in English, written for Affina: what a model is asked to tell apart before and after a training.

They are in `sentences.txt`, whose head says how they were chosen. Others, in `replayed.txt`, are for the training
itself: what is measured is never trained on. This module holds no rule.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("sentences.txt")
REPLAYED: Final = FILE.with_name("replayed.txt")


@cache
def sentences() -> tuple[str, ...]:
    """All that is measured on, in order."""
    return _lines(FILE)


@cache
def replayed_sentences() -> tuple[str, ...]:
    """All that a model may be held to in its training, in order."""
    return _lines(REPLAYED)


def _lines(file: Path) -> tuple[str, ...]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
