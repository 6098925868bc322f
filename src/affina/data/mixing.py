"""Training files that are seen more or less often than once an epoch: how often each row is, and in which epoch.

Weights act on the order of the rows alone: no row is stored twice, so that a weight is never taken for a duplicate and
never stands in two splits. Which rows form a batch is `batching`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from affina.data.rows import Row
from affina.recipe.data_spec import MixedFile
from affina.values import Resolved

_DRAWS = 1
"""Sets these draws apart from others that depend on the seed and the epoch."""


class Weight(NamedTuple):
    """How often the rows of a source are seen in an epoch.

    Attributes:
        source: its place in the recipe's list.
        value: the weight, above 0.
    """

    source: int
    value: float


PLAIN: Final = Weight(0, 1.0)


def seen_in(weights: Sequence[Weight], *, seed: int, epoch: int) -> list[int]:
    """The rows of one epoch, as places: each as often as its weight says, and of a fraction that share, drawn anew.

    Each source is drawn from by itself, so that it has its share whatever the weights of the others.

    Args:
        weights: of each row.
        seed: the run's.
        epoch: from 0; with the seed it decides the draw.

    Returns:
        Places in order, a row's repeats side by side; plain counting where every weight is 1.
    """
    sources = np.fromiter((weight.source for weight in weights), dtype=np.int64, count=len(weights))
    times = np.fromiter((int(weight.value) for weight in weights), dtype=np.int64, count=len(weights))
    for source, value in sorted(set(weights)):
        if not (share := value % 1):
            continue
        rows = np.flatnonzero(sources == source)
        generator = np.random.default_rng([seed, epoch, _DRAWS, source])
        times[generator.permutation(rows)[: max(1, round(share * len(rows)))]] += 1
    found: list[int] = np.repeat(np.arange(len(weights)), times).tolist()
    return found


def are_plain(by_file: Mapping[str, Weight]) -> bool:
    """Whether every row is seen once an epoch, so that its place among the rows is its place in the epoch."""
    return all(weight.value == 1 for weight in by_file.values())


def weights_of(rows: Sequence[Row], by_file: Mapping[str, Weight]) -> list[Weight]:
    """The weight of each row: that of its file, or the plain one where every row is seen once."""
    if are_plain(by_file):
        return [PLAIN] * len(rows)
    return [by_file.get(row.file, PLAIN) for row in rows]


def labels_as_seen(rows: Sequence[Row], by_file: Mapping[str, Weight]) -> Counter[str]:
    """The field `label` to the rows that an epoch has of it, the weights of the files included; never less than one."""
    sums: dict[str, float] = {}
    for row, weight in zip(rows, weights_of(rows, by_file), strict=True):
        sums[row.fields["label"]] = sums.get(row.fields["label"], 0.0) + weight.value
    return Counter({label: max(1, round(total)) for label, total in sums.items()})


def weight_choices(
    mix: Sequence[MixedFile], entries: Mapping[str, int], train: Sequence[Row]
) -> dict[str, Resolved[Any]]:
    """What each weight comes to in rows; nothing where there is one source of rows, seen once.

    Args:
        mix: the sources.
        entries: training file to the place of its source in `mix`.
        train: the training rows, those for validation and test being held out of them already.
    """
    if len(mix) == 1 and mix[0].weight == 1:
        return {}
    rows = Counter(entries[row.file] for row in train)
    return {f"data.train (weight of {one.file})": _said(one.weight, rows[place]) for place, one in enumerate(mix)}


def _said(weight: float, rows: int) -> Resolved[Any]:
    whole, share = divmod(weight, 1)
    drawn = max(1, round(share * rows)) if share and rows else 0
    total = int(whole) * rows + drawn
    reason = f"its {rows:,} training rows are {total:,} in each epoch"
    if drawn:
        reason += f", {drawn:,} of them drawn anew for each"
    return Resolved(weight, reason)
