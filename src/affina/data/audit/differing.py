"""The same text with different numbers, where numbers are predicted: how far apart, and what that costs at the least.

Two numbers are no contradiction as two labels are: several people's ratings of one text differ a little. So it is said
how far apart they are beside the numbers' own deviation, and the furthest are named first. Nothing is changed here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.scan import Scan
from affina.data.table import MOST_EXAMPLES
from affina.record.payloads import Finding


def find_differing(scanned: Scan) -> tuple[Finding, ...]:
    """Rows of one split's files with the same text and different numbers."""
    if not len(scanned):
        return ()
    values = np.array([float(name) for name in scanned.names])[scanned.labels]
    order = np.argsort(scanned.keys, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scanned.keys[order]) != 0]))
    least, most = (at.reduceat(values[order], starts) for at in (np.minimum, np.maximum))
    apart = most - least
    groups = np.flatnonzero(apart > 0)
    if not len(groups):
        return ()
    sizes = np.diff(np.append(starts, len(order)))
    furthest = groups[np.argsort(-apart[groups], kind="stable")][:MOST_EXAMPLES]
    finding = Finding(
        name="differing_numbers" + ("" if scanned.split == "train" else f"_in_{scanned.split}"),
        count=int(sizes[groups].sum()),
        meaning=f"{scanned.split} rows with the same text and different numbers, {np.median(apart[groups]):.3g} apart"
        f" in the median and {apart.max():.3g} at the most, beside a deviation of {values.std():.3g} of all; a model is"
        f" best with their mean, which is an RMSE of {_floor(values[order], starts, sizes, groups):.3g} on them",
        advice="leave them where opinions differ; correct the rows where it is a slip, the furthest apart come first",
        examples=tuple(_example(scanned, order[starts[group] :][: sizes[group]], values) for group in furthest),
    )
    return (finding,)


def _floor(
    values: NDArray[np.float64], starts: NDArray[np.int64], sizes: NDArray[np.int64], groups: NDArray[np.int64]
) -> float:
    """The root of the mean squared distance to the mean of the same text, over the rows of these groups."""
    means = np.add.reduceat(values, starts) / sizes
    squares = np.add.reduceat((values - np.repeat(means, sizes)) ** 2, starts)
    return float(np.sqrt(squares[groups].sum() / sizes[groups].sum()))


def _example(scanned: Scan, rows: NDArray[np.int64], values: NDArray[np.float64]) -> str:
    """`a.csv, row 1 (line 2): 1.5 in row 1, 4.0 in row 3`: the least and the most of one text."""
    low, high = int(rows[values[rows].argmin()]), int(rows[values[rows].argmax()])
    first = min(low, high)
    said = ", ".join(f"{scanned.names[scanned.labels[row]]} in {scanned.near(row, first)}" for row in (low, high))
    return f"{scanned.where(first)}: {said}"
