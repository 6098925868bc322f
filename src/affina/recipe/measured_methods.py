"""What each way of training was worth on so many rows, and what it took: our own runs, which `method: auto` reads.

Whole runs of starter/encoder (22 M weights) at Affina's defaults, each method at its own rate, one seed, judged on up
to 1,000 test rows: TREC, TweetEval emotion and, from 500 rows on, Banking77 (benchmarks/quality/methods.py; a test
holds this table to its results). A standard error of a figure is about one point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Way = Literal["full", "embeddings frozen", "upper half", "head", "lora"]
CLEARLY: Final = 2.0
"""Points of accuracy by which a way has to be ahead of the usual one to be taken: about two standard errors of that."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a way came to: the mean accuracy over the sets in percent, and its time as a share of full fine-tuning's."""

    accuracy: float
    time: float


MEASURED: Final[Mapping[int, Mapping[Way, Worth]]] = {
    100: {
        "full": Worth(75.8, 1.0),
        "embeddings frozen": Worth(76.0, 0.75),
        "upper half": Worth(74.0, 0.48),
        "head": Worth(44.9, 0.11),
        "lora": Worth(76.4, 0.65),
    },
    500: {
        "full": Worth(81.8, 1.0),
        "embeddings frozen": Worth(81.7, 0.94),
        "upper half": Worth(81.0, 0.49),
        "head": Worth(57.7, 0.06),
        "lora": Worth(81.4, 0.84),
    },
    2_000: {
        "full": Worth(88.2, 1.0),
        "embeddings frozen": Worth(88.2, 0.96),
        "upper half": Worth(87.8, 0.47),
        "head": Worth(72.8, 0.1),
        "lora": Worth(87.8, 0.78),
    },
}
"""Training rows to the ways."""
WORDS: Final[Mapping[Way, str]] = {
    "full": "all weights",
    "embeddings frozen": "all but the embeddings",
    "upper half": "the upper half of the blocks",
    "head": "the head alone",
    "lora": "LoRA",
}


def nearest(rows: int) -> int:
    """The number of rows in the table that is the nearest by its ratio."""
    return min(MEASURED, key=lambda known: abs(math.log(known / max(1, rows))))


def better_than(usual: Way, rows: int) -> Way:
    """The best way on about so many rows, where it is clearly better than the usual one; else that."""
    found = MEASURED[nearest(rows)]
    best = max(found, key=lambda way: found[way].accuracy)
    return best if found[best].accuracy > found[usual].accuracy + CLEARLY else usual


def told(rows: int) -> str:
    """The line of the table for about so many rows, the best first, and what it takes to be taken by it."""
    known = nearest(rows)
    found = sorted(MEASURED[known].items(), key=lambda entry: -entry[1].accuracy)
    ways = (f"{WORDS[way]} {worth.accuracy:.1f}%{_took(worth)}" for way, worth in found)
    line = f"on {known:,} rows of our sets runs of starter/encoder had right: {', '.join(ways)}"
    return f"{line}; less than {CLEARLY:g} points apart is level"


def _took(worth: Worth) -> str:
    return "" if worth.time == 1 else f" in {worth.time:.0%} of the time"
