"""Training files that are seen more or less often than once an epoch: how often each row is, and in which epoch.

Weights act on the order of the rows alone: no row is stored twice, so that a weight is never taken for a duplicate and
never stands in two splits. Which rows form a batch is `batching`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affina.data.rows import Row
from affina.recipe.schema import MixedFile
from affina.values import Resolved

_DRAWS = 1
"""Sets these draws apart from others that depend on the seed and the epoch."""


def seen_in(weights: Sequence[float], *, seed: int, epoch: int) -> list[int]:
    """The rows of one epoch, as places: each as often as its weight says, and of a fraction that share, drawn anew.

    Args:
        weights: of each row; rows with the same weight are drawn from together.
        seed: the run's.
        epoch: from 0; with the seed it decides the draw.

    Returns:
        Places in order, a row's repeats side by side; plain counting where every weight is 1.
    """
    given = np.asarray(weights, dtype=np.float64)
    times = np.floor(given).astype(np.int64)
    generator = np.random.default_rng([seed, epoch, _DRAWS])
    for weight in np.unique(given[given > times]):
        rows = np.flatnonzero(given == weight)
        share = float(weight - np.floor(weight))
        drawn = generator.permutation(rows)[: max(1, round(share * len(rows)))]
        times[drawn] += 1
    found: list[int] = np.repeat(np.arange(len(given)), times).tolist()
    return found


def weights_of(rows: Sequence[Row], by_file: Mapping[str, float]) -> list[float]:
    """The weight of each row: that of its file."""
    return [by_file.get(row.file, 1.0) for row in rows]


def labels_as_seen(rows: Sequence[Row], by_file: Mapping[str, float]) -> Counter[str]:
    """The field `label` to the rows that an epoch has of it, the weights of the files included; never less than one."""
    sums: dict[str, float] = {}
    for row, weight in zip(rows, weights_of(rows, by_file), strict=True):
        sums[row.fields["label"]] = sums.get(row.fields["label"], 0.0) + weight
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
