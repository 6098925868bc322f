"""Which passages share a row, and which rows a batch: first-fit decreasing by length, within the token budget.

Short passages are put one behind the other into rows of a given length (Johnson 1973, first-fit decreasing; Krell et
al. 2021, section 3.1, for language models); a longer passage is a row of its own. Rows then meet in batches as they do
without packing (`data.batching`). The plan depends on its arguments alone, so a resumed run makes the same.

This module makes no tensors and does not know whether a model can be packed (`packing`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from affina.data.batching import plan_epoch
from affina.values import Resolved

ROW: Final = 256
"""Tokens of a row. Attention costs the square of it, so that a row is no longer than what leaves little of it empty."""
POOL: Final = 10_000
"""Passages that are packed together: enough for full rows, few enough for chance to decide which of them meet."""
WORTH: Final = 0.1
"""Share of padding above which packing pays: attention over longer rows costs about half as much (docs/log.md)."""


def worth_packing(lengths: Sequence[int], *, budget: int) -> Resolved[bool]:
    """Whether packing saves more than it costs: few texts for their batches leave much padding, many hardly any.

    Args:
        lengths: tokens of each passage.
        budget: as in `data.batching.plan_epoch`, whose padding is looked at.
    """
    plan = plan_epoch(lengths, budget=budget, seed=0, epoch=1)
    cells = sum(len(batch) * max(max(1, lengths[place]) for place in batch) for batch in plan)
    share = 1 - sum(lengths) / cells if cells else 0.0
    told = f"batches of texts of like length are {share:.0%} padding"
    return Resolved(share > WORTH, f"{told}, {'more' if share > WORTH else 'not more'} than {WORTH:.0%}")


def plan_packs(lengths: Sequence[int], *, budget: int, row: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch; each passage is in exactly one of them, in the order in which `rows_of` packs them.

    Args:
        lengths: tokens of each passage.
        budget: tokens of a batch, padding included, at most; a longer passage is a batch of its own.
        row: tokens of a row, at most; a longer passage is a row of its own.
        seed: the run's.
        epoch: from 0; with the seed it decides every draw.

    Returns:
        Batches of the passages' places, as `data.batching.plan_epoch` gives them.
    """
    shuffled = np.random.default_rng([seed, epoch, 1]).permutation(len(lengths)).tolist()
    pools = [shuffled[start : start + POOL] for start in range(0, len(shuffled), POOL)]
    rows = [found for pool in pools for found in _first_fit_decreasing(pool, lengths, room=min(row, budget))]
    filled = [sum(max(1, lengths[place]) for place in places) for places in rows]
    return [
        [place for number in batch for place in rows[number]]
        for batch in plan_epoch(filled, budget=budget, seed=seed, epoch=epoch)
    ]


def rows_of(lengths: Sequence[int], *, row: int) -> list[list[int]]:
    """Passages in their order to rows: the fewest tokens, padding included, that rows of at most `row` tokens can have.

    A batch of `plan_packs` never takes more here than was planned for it: filling rows in order needs no more of them
    than the planned ones, at the planned width too.

    Args:
        lengths: tokens of each passage; one at least.
        row: as in `plan_packs`.

    Returns:
        The places of each row's passages.
    """
    ends = [0, *accumulate(lengths)]
    longest = max(lengths)
    # a narrower block than the sum of some passages in a row would be filled in the same way
    sums = {end - start for place, start in enumerate(ends[:-1]) for end in _ends_within(ends, place, row)}
    widths = sorted(width for width in sums | {longest} if width >= longest)
    return min((_filled(ends, width) for width in widths), key=lambda found: _cells(found, ends))


def _first_fit_decreasing(places: Sequence[int], lengths: Sequence[int], *, room: int) -> Iterator[list[int]]:
    """Rows, each filled with the longest passage that still fits into it: what first-fit decreasing comes to."""
    waiting: dict[int, list[int]] = {}
    for place in places:
        waiting.setdefault(max(1, lengths[place]), []).append(place)
    sizes = sorted(waiting)
    while sizes:
        found, left, at = [], max(room, sizes[-1]), len(sizes) - 1
        while at >= 0:
            size = sizes[at]
            while size <= left and waiting[size]:
                found.append(waiting[size].pop())
                left -= size
            if not waiting[size]:
                sizes.pop(at)
            at = bisect_right(sizes, left, hi=at) - 1
        yield found


def _ends_within(ends: Sequence[int], place: int, row: int) -> Sequence[int]:
    return ends[place + 1 : bisect_right(ends, ends[place] + row)]


def _filled(ends: Sequence[int], width: int) -> list[list[int]]:
    """Rows of at most `width` tokens, each begun where the one before is full."""
    rows, start = [], 0
    while start < len(ends) - 1:
        end = bisect_right(ends, ends[start] + width) - 1
        rows.append(list(range(start, end)))
        start = end
    return rows


def _cells(rows: Sequence[Sequence[int]], ends: Sequence[int]) -> int:
    return len(rows) * max(ends[row[-1] + 1] - ends[row[0]] for row in rows)
