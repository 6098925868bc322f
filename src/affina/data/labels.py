"""What makes a label column unfit to learn from: each is an error, before any row is held out.

Labels of validation and test rows are compared with these in `checks`; slips that can be trained on are in `audit`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from affina.data.reading import refuse_empty_labels
from affina.data.rows import Row
from affina.data.table import excerpt
from affina.errors import DataError, Problem

_INTEGER: Final = re.compile(r"[+-]?\d+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|\d*,\d+)([eE][+-]?\d+)?")
"""With a point or, as in many countries, a comma before the decimals."""
_DATE: Final = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})([T ]\d{1,2}:\d{2}.*)?")
_BETWEEN_LABELS: Final = re.compile(r"[\s,;|]+")


def check_training_labels(rows: Sequence[Row], *, column: str, attested: frozenset[str] = frozenset()) -> None:
    """Stop where the label column cannot be learnt from.

    Args:
        rows: all rows of the training file, before any is held out.
        column: the label column's name, for messages.
        attested: labels of the validation and test files. One that comes back there is no slip, however few training
            rows have it, and a column whose labels come back there holds classes.

    Raises:
        DataError: an empty label, one class only, several labels in a cell, numbers with decimals, dates, nearly as
            many labels as rows, or a label with one row only.
    """
    refuse_empty_labels(rows)
    counts = Counter(row.fields["label"] for row in rows)
    where = f"{rows[0].file}, column {column}"
    if len(counts) == 1:
        found = f"one label, {excerpt(next(iter(counts)))}, in all {len(rows)} rows"
        fix = "add rows of the other classes, or check that data.label names the right column"
        raise DataError(Problem(where=where, expected="two or more different labels", found=found, fix=fix))
    _refuse_several(rows, counts, column)  # before decimals: 1,2 is both labels where 1 and 2 are labels too
    _refuse_decimals(rows, counts, column)
    _refuse_dates(rows, counts, column)
    if 2 * len(counts) > len(rows) >= 10 and 2 * len(counts.keys() & attested) < len(counts):
        found = f"{len(counts)} different labels in {len(rows)} rows, as in a column of free text or ids"
        fix = "name the column with the classes: data.label=COLUMN"
        raise DataError(Problem(where=where, expected="a few labels that come back", found=found, fix=fix))
    _refuse_single(rows, counts, attested)


def _refuse_decimals(rows: Sequence[Row], counts: Counter[str], column: str) -> None:
    decimal = [label for label in counts if not _INTEGER.fullmatch(label)]
    if not decimal or not all(_NUMBER.fullmatch(label) for label in counts):
        return
    first = next(row for row in rows if row.fields["label"] == decimal[0])
    whole = all(float(label.replace(",", ".")).is_integer() for label in counts)
    fix = "write the classes as integers, 3 and not 3.0" if whole else "write classes as text or integers"
    raise DataError(
        Problem(
            where=f"{first.where}, column {column}",
            expected="a class, as a text or an integer",
            found=f"the number {decimal[0]}; all {len(counts)} labels are numbers, {len(decimal)} with decimals",
            fix=f"{fix}; predicting quantities (regression) is not supported yet",
        )
    )


def _refuse_dates(rows: Sequence[Row], counts: Counter[str], column: str) -> None:
    if all(_DATE.fullmatch(label) for label in counts):
        raise DataError(
            Problem(
                where=f"{rows[0].where}, column {column}",
                expected="a class, as a text or an integer",
                found=f"the date {excerpt(rows[0].fields['label'])}; all {len(counts)} labels are dates",
                fix="name the column with the classes, data.label=COLUMN; if dates are classes, write them as words",
            )
        )


def _refuse_several(rows: Sequence[Row], counts: Counter[str], column: str) -> None:
    """Most labels are put together of other labels: the column holds several for each row."""
    together = [label for label in counts if _is_list_of(label, counts)]
    if len(together) < 2 or 2 * len(together) < len(counts):
        return
    first = next(row for row in rows if row.fields["label"] in together)
    share = sum(counts[label] for label in together)
    raise DataError(
        Problem(
            where=f"{first.where}, column {column}",
            expected="one label for each row",
            found=f"several, {excerpt(first.fields['label'])}, as in {share} of {len(rows)} rows",
            fix="keep one label in each row; rows with several labels (multi-label) are not supported yet",
        )
    )


def _is_list_of(label: str, labels: Counter[str]) -> bool:
    parts = _BETWEEN_LABELS.split(label)
    return len(parts) > 1 and all(part in labels for part in parts)


def _refuse_single(rows: Sequence[Row], counts: Counter[str], attested: frozenset[str]) -> None:
    single = [row for row in rows if counts[row.fields["label"]] == 1 and row.fields["label"] not in attested]
    problems = [
        Problem(
            where=row.where,
            expected="at least two rows for each label, one to learn from and one to check with",
            found=f"the label {excerpt(row.fields['label'])}, which no other row has",
            fix="correct the label if it is a slip, add rows with it, or remove the row",
        )
        for row in single
    ]
    if problems:
        raise DataError(*problems)
