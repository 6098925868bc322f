"""Training rows that are left out because the recipe asks for it: repeated ones, and those of the held-out files.

They are counted. What is found is `audit`'s; nothing is left out without being asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affina.data.audit.repeats import repeated_rows, shared_rows
from affina.data.audit.scan import Scan
from affina.data.row_arrays import those
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES
from affina.errors import DataError, Problem
from affina.record.payloads import Finding


def drop_repeated(rows: Sequence[Row], scanned: Scan) -> tuple[Sequence[Row], tuple[Finding, ...]]:
    """The rows without those that have the text and the label of an earlier one.

    Args:
        rows: of the training file.
        scanned: the same.
    """
    repeated, _ = repeated_rows(scanned)
    meaning = "train rows with the same text and label as an earlier one were left out, as data.drop_duplicates says"
    return _without(rows, set(repeated.tolist()), scanned, name="dropped_duplicates", meaning=meaning)


def drop_shared(
    rows: Sequence[Row], scanned: Scan, held_out: Sequence[Scan]
) -> tuple[Sequence[Row], tuple[Finding, ...]]:
    """The rows without those whose text is in a validation or test file.

    Args:
        rows: of the training file.
        scanned: the same.
        held_out: the other files.

    Raises:
        DataError: no row is left.
    """
    shared = [shared_rows(scanned, other)[0] for other in held_out]
    places = set(np.concatenate(shared).tolist()) if shared else set[int]()
    meaning = "train rows whose text is in the validation or test file were left out, as data.drop_shared says"
    kept, findings = _without(rows, places, scanned, name="dropped_shared", meaning=meaning)
    if not kept:
        raise DataError(
            Problem(
                where=f"{scanned.file}, with data.drop_shared=true",
                expected="training rows that are not in " + " or ".join(other.file for other in held_out),
                found=f"none of {len(rows)}",
                fix="name another training file, or another validation or test file",
            )
        )
    return kept, findings


def _without(
    rows: Sequence[Row], places: set[int], scanned: Scan, *, name: str, meaning: str
) -> tuple[Sequence[Row], tuple[Finding, ...]]:
    if not places:
        return rows, ()
    examples = tuple(scanned.where(place) for place in sorted(places)[:MOST_EXAMPLES])
    kept = those(rows, [place for place in range(len(rows)) if place not in places])
    advice = "there is nothing to do"
    return kept, (Finding(name=name, count=len(places), meaning=meaning, advice=advice, examples=examples),)
