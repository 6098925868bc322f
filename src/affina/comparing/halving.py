"""Successive halving (Jamieson & Talwalkar 2016; Li et al. 2018): weak candidates get a small part of the budget.

All candidates are run with a small share of the epochs, the best of them with a larger one, and so on; the last are
run in full. Who stays is judged by the validation rows alone, never by the test rows. This module runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.record.measures import direction

FEWEST: Final = 2
"""Candidates that are run in full: one alone would not be compared with anything."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the share of the budget that each candidate gets, and how many of them stay."""

    share: float
    keep: int


def rounds(candidates: int, *, factor: int) -> tuple[Round, ...]:
    """The rounds before the last, in which the rest is run in full.

    Args:
        candidates: how many there are.
        factor: one in so many stays, and has so many times the budget in the next round.
    """
    counts = [candidates]
    while counts[-1] > FEWEST:
        counts.append(max(FEWEST, math.ceil(counts[-1] / factor)))
    before_last = len(counts) - 1
    return tuple(Round(float(factor) ** (place - before_last), keep) for place, keep in enumerate(counts[1:]))


def shares(turns: Sequence[Round], *, candidates: int, seeds: int) -> Iterator[float]:
    """The share of the budget of each run, if none fails.

    Args:
        turns: the rounds that are left.
        candidates: that are left.
        seeds: runs of each that is run in full.
    """
    for turn in turns:
        yield from [turn.share] * candidates
        candidates = turn.keep
    yield from [1.0] * (candidates * seeds)


def kept(scores: Mapping[str, float | None], metric: str, *, keep: int) -> tuple[str, ...]:
    """The best `keep` candidates, the best first; of equals the one that was named first.

    Args:
        scores: candidate to the validation metric of its best evaluation; None, or no finite number, for one that
            failed, which never stays.
        metric: says which direction is better.
        keep: how many stay.
    """
    way = direction(metric)
    able = {name: score for name, score in scores.items() if score is not None and math.isfinite(score)}
    return tuple(sorted(able, key=lambda name: -way * able[name])[:keep])
