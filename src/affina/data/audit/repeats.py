"""Texts that stand in several rows exactly, outer blanks aside: within a file, and in two files.

It works on the arrays of a `Scan`; nothing is changed here.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.differing import find_differing
from affina.data.audit.scan import Scan
from affina.data.table import MOST_EXAMPLES
from affina.record.payloads import Finding

Places = NDArray[np.int64]
What = Literal["label", "number", "answer"]
"""What a text is to be given."""
_MOST_LABELS: Final = 5
"""Labels of a conflict that an example names."""


def repeated_rows(scanned: Scan) -> tuple[Places, Places]:
    """The rows with the text and the label of an earlier row, in the file's order, and the first such row of each."""
    order = np.lexsort((scanned.labels, scanned.keys))  # stable: within a text and a label, the file's order
    keys, labels = scanned.keys[order], scanned.labels[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]) | (labels[1:] != labels[:-1])
    firsts = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    rows, firsts = order[~new], firsts[~new]
    by_row = np.argsort(rows)
    return rows[by_row], firsts[by_row]


def shared_rows(scanned: Scan, earlier: Scan) -> tuple[Places, Places]:
    """The rows of one file whose text is also in the other, and the first row of the other that has it."""
    known, first = np.unique(earlier.keys, return_index=True)
    if not len(known):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, scanned.keys), len(known) - 1)
    rows = np.flatnonzero(known[at] == scanned.keys)
    return rows, first[at[rows]]


def find_repeats(scanned: Scan, *, what: What | None = None) -> tuple[Finding, ...]:
    """Exact duplicates, and the same text with different labels, numbers or answers, within the file of one split.

    Findings on another split than train have its name in theirs.
    """
    differing = find_differing if what == "number" else _conflicts
    return (*_duplicates(scanned, what or _called(scanned)), *differing(scanned))


def find_shared(scanned: Scan, earlier: Scan, *, what: What | None = None) -> tuple[Finding, ...]:
    """Rows of a validation or test file whose text is also in an earlier file."""
    rows, firsts = shared_rows(scanned, earlier)
    if not len(rows):
        return ()
    split, other = scanned.split, earlier.split
    pairs = zip(rows[:MOST_EXAMPLES].tolist(), firsts[:MOST_EXAMPLES].tolist(), strict=True)
    names = np.array(scanned.names, dtype=object)[scanned.labels[rows]]
    differ = int((names != np.array(earlier.names, dtype=object)[earlier.labels[firsts]]).sum())
    how_many = f"; {differ:,} of them with another {what or _called(scanned)} there" if differ else ""
    key = " or write data.drop_shared=true" if other == "train" else ""
    finding = Finding(
        name=f"{split}_rows_in_{other}",
        count=len(rows),
        meaning=f"{split} rows whose text is also in the {other} rows{how_many}; they flatter the {split} figures",
        advice=f"remove them from one of the files,{key}".rstrip(","),
        examples=tuple(f"{scanned.where(row)} is {earlier.where(first)}" for row, first in pairs),
    )
    return (finding,)


def _duplicates(scanned: Scan, what: What) -> tuple[Finding, ...]:
    rows, firsts = repeated_rows(scanned)
    if not len(rows):
        return ()
    train = scanned.split == "train"
    effect = "they weigh double in training and stay in one split" if train else "they count double in the figures"
    pairs = zip(rows[:MOST_EXAMPLES].tolist(), firsts[:MOST_EXAMPLES].tolist(), strict=True)
    finding = Finding(
        name="duplicates" + _suffix(scanned),
        count=len(rows),
        meaning=f"{scanned.split} rows with the same text and {what} as an earlier one; {effect}",
        advice="remove them if they are slips" + (", or write data.drop_duplicates=true" if train else ""),
        examples=tuple(f"{scanned.where(row)} repeats {scanned.near(first, row)}" for row, first in pairs),
    )
    return (finding,)


def _conflicts(scanned: Scan) -> tuple[Finding, ...]:
    if not len(scanned):
        return ()
    order = np.argsort(scanned.keys, kind="stable")
    keys, labels = scanned.keys[order], scanned.labels[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    mixed = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    if not mixed.any():
        return ()
    sizes = np.diff(np.append(starts, len(order)))
    if scanned.written:
        return _references(scanned, order[starts[mixed]], sizes[mixed])
    groups = sorted((int(order[starts[group]]), int(group)) for group in np.flatnonzero(mixed))
    examples = (
        _conflict(scanned, order[starts[group] : starts[group] + sizes[group]]) for _, group in groups[:MOST_EXAMPLES]
    )
    finding = Finding(
        name="conflicting_labels" + _suffix(scanned),
        count=int(sizes[mixed].sum()),
        meaning=f"{scanned.split} rows with the same text and different labels; no model can get all right",
        advice="correct the labels",
        examples=tuple(examples),
    )
    return (finding,)


def _references(scanned: Scan, firsts: Places, sizes: Places) -> tuple[Finding, ...]:
    """Inputs with several answers, of which none contradicts another."""
    by_row = np.argsort(firsts, kind="stable")
    pairs = zip(firsts[by_row][:MOST_EXAMPLES].tolist(), sizes[by_row][:MOST_EXAMPLES].tolist(), strict=True)
    finding = Finding(
        name="several_references" + _suffix(scanned),
        count=len(firsts),
        meaning=f"{scanned.split} inputs with several answers, {int(sizes.sum()):,} rows in all; they stay in one"
        " split, and what is written is compared with all of them",
        advice="there is nothing to do unless some are wrong",
        examples=tuple(f"{scanned.where(row)}: {size} rows" for row, size in pairs),
    )
    return (finding,)


def _called(scanned: Scan) -> What:
    return "answer" if scanned.written else "label"


def _conflict(scanned: Scan, rows: Places) -> str:
    """`a.csv, row 1 (line 2): card in row 1, fee in row 3`."""
    first_of: dict[str, int] = {}
    for row in rows[: 10 * _MOST_LABELS].tolist():
        first_of.setdefault(scanned.names[scanned.labels[row]], row)
    named = list(first_of.items())[:_MOST_LABELS]
    first = int(rows[0])
    labels = ", ".join(f"{label[:40]} in {scanned.near(row, first)}" for label, row in named)
    return f"{scanned.where(first)}: {labels}"


def _suffix(scanned: Scan) -> str:
    return "" if scanned.split == "train" else f"_in_{scanned.split}"
