"""Whether the answers that a swap changes go one way: to one side's disadvantage, or as often to the other's.

A model whose answers hang on single words changes some of them with any word that is replaced; that is no bias of a
side, and then each label is lost and gained by either side alike. So each label is looked at by itself, in the rows
whose terms are all of one side: how often the text of the first side is answered with it and that of the second is not
(gained), and the reverse (lost). One way is what random signs would seldom give (Fisher's randomisation test,
two-sided), at a level that holds for all labels together (Bonferroni). Rows of one pair of names have one sign
together: what a model makes of one name is not what it makes of a side. Fewer pairs than `LEAST_PAIRS` could never be
shown to differ so, and rows are taken by themselves.

A rare label whose rows nearly all change is found so, too, where the share of all rows that change says little. This
module runs no model.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.identity.swapping import Side

Places = NDArray[np.int64]
LEAST_PAIRS: Final = 8


@dataclass(frozen=True, slots=True)
class OfLabel:
    """What the swap does to one label's rows.

    Attributes:
        label: its place.
        gained: rows that have it in the text of the first side alone.
        lost: in that of the second side alone.
        rows: that have it as they are.
        is_directed: whether gained and lost differ by more than chance.
        is_above: whether of these rows more change than the limit allows, by more than chance.
    """

    label: int
    gained: int
    lost: int
    rows: int
    is_directed: bool
    is_above: bool

    @property
    def flips(self) -> int:
        """How many rows get it in one of their texts alone."""
        return self.gained + self.lost

    @property
    def is_one_way(self) -> bool:
        """Whether all of them go the same way, be it by chance."""
        return self.flips > 0 and 0 in (self.gained, self.lost)


def by_label(ours: Places, theirs: Places, sides: Sequence[Side], *, limit: float, confidence: float) -> list[OfLabel]:
    """Each label that a row of one side is answered with.

    Args:
        ours: the answers to the rows as they are, [rows].
        theirs: to the same swapped, [rows].
        sides: of each row.
        limit: of the rows, how many may change.
        confidence: of all labels together.
    """
    way = np.asarray([side.way for side in sides])
    ours, theirs, names = ours[way != 0], theirs[way != 0], [side.names for side in sides if side.way]
    labels = np.union1d(ours, theirs).tolist()
    level = (1 - confidence) / max(1, len(labels))
    found = []
    for label in labels:
        has, gets = ours == label, theirs == label
        change = way[way != 0] * (has.astype(np.int64) - gets)  # 1 where the first side alone has it
        rows = int(has.sum())
        one = OfLabel(
            label=label,
            gained=int((change > 0).sum()),
            lost=int((change < 0).sum()),
            rows=rows,
            is_directed=_chance_of(change, names) < level,
            is_above=_at_least(int((has & ~gets).sum()), rows, limit) < level,
        )
        found.append(one)
    return found


def _at_least(hits: int, rows: int, share: float) -> float:
    """The chance of so many hits or more in `rows`, each a hit with the chance `share` (the binomial distribution)."""

    def exactly(count: int) -> float:
        ways = math.lgamma(rows + 1) - math.lgamma(count + 1) - math.lgamma(rows - count + 1)
        return math.exp(ways + count * math.log(share) + (rows - count) * math.log1p(-share))

    return math.fsum(exactly(count) for count in range(hits, rows + 1))


def _chance_of(change: Places, names: list[tuple[str, ...]]) -> float:
    """How often random signs give a sum as far from 0 as that of `change`, [rows] of -1, 0 and 1."""
    single = [int(one) for one, pairs in zip(change, names, strict=True) if one and not pairs]
    of_pair: dict[tuple[str, ...], int] = defaultdict(int)
    for one, pairs in zip(change.tolist(), names, strict=True):
        if one and pairs:
            of_pair[pairs] += one
    together = single + [total for total in of_pair.values() if total]
    parts = np.asarray(together) if len(together) >= LEAST_PAIRS else change[change != 0]
    far = abs(int(parts.sum()))
    chances = np.ones(1)  # of each sum from -reach to reach, where it begins with no part at all
    for part in np.abs(parts).tolist():
        chances = (np.pad(chances, (0, 2 * part)) + np.pad(chances, (2 * part, 0))) / 2
    reach = int(np.abs(parts).sum())
    sums = np.arange(-reach, reach + 1)
    return float(chances[np.abs(sums) >= far].sum())
