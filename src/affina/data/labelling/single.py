"""One label in each row: the reading of single-label classification, and what makes such a column unfit to learn from.

What is unfit is an error, before any row is held out; slips that can be trained on are in `audit`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from affina.data.audit.balance import find_imbalance, find_similar_labels
from affina.data.checks import check_known_labels
from affina.data.labelling.base import in_order
from affina.data.reading import refuse_empty_labels
from affina.data.rows import Row, named
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.recipe.task_specs import TaskName
from affina.record.payloads import Finding, Spread
from affina.values import Resolved

_INTEGER: Final = re.compile(r"[+-]?\d+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|\d*,\d+)([eE][+-]?\d+)?")
"""With a point or, as in many countries, a comma before the decimals."""
_DATE: Final = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})([T ]\d{1,2}:\d{2}.*)?")


@final
@dataclass(frozen=True, slots=True)
class SingleLabels:
    """The cell is the label.

    Attributes:
        asked: whether the recipe names the task, so that odd-looking labels are classes all the same.
    """

    asked: bool = False
    name: TaskName = "classification"
    takes_lists: bool = False
    stratified: str = "by label"
    writes: bool = False

    def read(self, rows: Sequence[Row], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
        """The rows as they are."""
        return tuple(rows), ()

    def check(self, rows: Sequence[Row], *, column: str, attested: frozenset[str]) -> None:
        """See `check_training_labels`."""
        check_training_labels(rows, column=column, attested=attested, asked=self.asked)

    def names(self, rows: Iterable[Row], *, column: str) -> tuple[str, ...]:
        """The classes."""
        return in_order({row.fields["label"] for row in rows})

    def labels_of(self, canonical: str) -> tuple[str, ...]:
        """The one."""
        return (canonical,)

    def shown(self, canonical: str) -> str:
        """As it stands."""
        return canonical

    def strata(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """Each row's label."""
        found: dict[str, tuple[str, ...]] = {}
        return [found.setdefault(label, (label,)) for label in (row.fields["label"] for row in rows)]

    def check_known(self, rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
        """Stop at labels that are not in training, and at empty ones."""
        refuse_empty_labels(rows)
        check_known_labels(rows, known=known, train=train)

    def find_uneven(self, counts: Mapping[str, int], *, rows: int) -> tuple[Finding, ...]:
        """Rare labels, and those that are likely slips of one another."""
        return (*find_imbalance(counts, rows=rows, hides="accuracy"), *find_similar_labels(counts))

    def spread(self, rows: Sequence[Row]) -> Spread | None:
        """Labels are no numbers here."""
        return None

    def choices(self) -> dict[str, Resolved[Any]]:
        """There is one way to read a cell."""
        return {}


def check_training_labels(
    rows: Sequence[Row], *, column: str, attested: frozenset[str] = frozenset(), asked: bool = False
) -> None:
    """Stop where the label column cannot be learnt from.

    Args:
        rows: all rows of the training file, before any is held out.
        column: the label column's name, for messages.
        attested: labels of the validation and test files. One that comes back there is no slip, however few training
            rows have it, and a column whose labels come back there holds classes.
        asked: whether the recipe says that these are classes: then numbers, lists and dates are taken as they stand.

    Raises:
        DataError: an empty label, one class only, numbers with decimals, dates, nearly as many labels as rows, or a
            label with one row only.
    """
    refuse_empty_labels(rows)
    counts = Counter(row.fields["label"] for row in rows)
    if len(counts) == 1:
        found = f"one label, {excerpt(next(iter(counts)))}, in all {len(rows)} rows"
        fix = "add rows of the other classes, or check that data.label names the right column"
        where = _where(rows, column)
        raise DataError(Problem(where=where, expected="two or more different labels", found=found, fix=fix))
    if not asked:
        _refuse_decimals(rows, counts, column)
        _refuse_dates(rows, counts, column)
    if not asked and 2 * len(counts) > len(rows) >= 10 and 2 * len(counts.keys() & attested) < len(counts):
        found = f"{len(counts)} different labels in {len(rows)} rows, as in a column of free text or ids"
        fix = "name the column with the classes: data.label=COLUMN"
        where = _where(rows, column)
        raise DataError(Problem(where=where, expected="a few labels that come back", found=found, fix=fix))
    _refuse_single(rows, counts, attested)


def _where(rows: Sequence[Row], column: str) -> str:
    return f"{named(row.file for row in rows)}, column {column}"


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
            fix=f"{fix}, or say what the numbers are: task=regression or task=classification",
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
