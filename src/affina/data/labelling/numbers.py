"""A number in each row: how amounts are read, and what is no number. Nothing is standardised here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import numpy as np

from affina.data.checks import noticed
from affina.data.rows import Row
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.recipe.base import AUTO, Auto
from affina.recipe.task_specs import RegressionSpec, TaskName
from affina.record.payloads import Finding, Spread
from affina.values import Resolved

Decimal = Literal["point", "comma"]
NUMBER: Final = {
    "point": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    "comma": re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?"),
}
_GROUPED: Final = re.compile(
    r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d{3})+(,\d+)?|[+-]?\d{1,3}([ '_]\d{3})+([.,]\d+)?"
)
"""With marks between the thousands."""
MANY: Final = 20
NEARLY_ALL: Final = 0.9
"""Of `MANY` cells or more: the others are then slips, and are named."""
LARGEST: Final = 1e100
"""A number beyond it is refused: its square, which the errors and the deviation are made of, would leave the range."""
BANDS: Final = 10
"""Equal parts of the sorted numbers: a split that is made has its share of each."""


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a point or a comma before its decimals; outer blanks aside."""
    return any(form.fullmatch(cell.strip()) for form in NUMBER.values())


def nearly_all(numbers: int, cells: int) -> bool:
    """Whether so many of the cells being numbers makes the others slips: all of few cells, nine in ten of many."""
    return numbers == cells or (cells >= MANY and numbers >= NEARLY_ALL * cells)


def decimal_of(cells: Iterable[str], asked: Decimal | Auto) -> tuple[Decimal, Resolved[Decimal] | None]:
    """What stands before the decimals: what is asked for, or a comma where cells have one and next to none has a point.

    A comma before exactly three digits in every cell may as well divide thousands, and is not taken for decimals.
    """
    if asked != AUTO:
        return asked, None
    written = [cell.strip() for cell in cells if cell.strip()]
    numbers = [cell for cell in written if NUMBER["comma"].fullmatch(cell)]
    commas = [cell for cell in numbers if "," in cell]
    decimals = any(len(cell.rpartition(",")[2]) != 3 for cell in commas)
    if commas and decimals and nearly_all(len(numbers), len(written)):
        return "comma", Resolved("comma", f"{len(commas):,} cells such as {excerpt(commas[0])} have one")
    return "point", None


@final
@dataclass(frozen=True, slots=True)
class Numbers:
    """The cell is a number; its canonical text is the shortest that reads back as the same 64-bit float.

    Attributes:
        decimal: what stands before the decimals.
        found: the same with its reason, where it was not given and is no point.
    """

    decimal: Decimal = "point"
    found: Resolved[Decimal] | None = None
    name: TaskName = "regression"
    takes_lists: bool = False
    stratified: str = f"by {BANDS} bands of the number"
    writes: bool = False

    @classmethod
    def of(cls, cells: Iterable[str], asked: RegressionSpec) -> Numbers:
        """The reading of a training file's cells."""
        decimal, found = decimal_of(cells, asked.decimal)
        return cls(decimal, found)

    def read(self, rows: Sequence[Row], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
        """The rows with their numbers.

        Raises:
            DataError: one problem for each row whose cell is not a finite number.
        """
        read: list[Row] = []
        problems: list[Problem] = []
        for row in rows:
            value = self._value(row.fields["label"])
            if value is None:
                problems.append(self._problem(row))
            else:
                read.append(replace(row, fields={**row.fields, "label": repr(value)}))
        if problems:
            raise DataError(*problems)
        return tuple(read), self._stated(rows, split)

    def _value(self, cell: str) -> float | None:
        if not NUMBER[self.decimal].fullmatch(cell):
            return None
        value = float(cell.replace(",", ".")) + 0.0  # no negative zero: it would be another number as a text
        return value if abs(value) <= LARGEST else None

    def _stated(self, rows: Sequence[Row], split: str) -> tuple[Finding, ...]:
        if self.decimal == "point":
            return ()
        places = [row.where for row in rows if "," in row.fields["label"]]
        meaning = "numbers with a comma, which is read as what stands before the decimals"
        advice = "write task.decimal=point if it is not"
        return noticed("decimal_commas", places, split=split, meaning=meaning, advice=advice)

    def _problem(self, row: Row) -> Problem:
        cell = row.fields["label"]
        if NUMBER[self.decimal].fullmatch(cell):
            return _too_large(row.where, cell)
        other = "comma" if self.decimal == "point" else "point"
        fix = "write the number there, or remove the row"
        if _GROUPED.fullmatch(cell):
            fix = "write it without marks between the thousands, as 1234.5; "
            fix += f"if the {'comma' if ',' in cell else 'mark'} stands before the decimals, write task.decimal={other}"
        elif NUMBER[other].fullmatch(cell):
            fix = f"write all numbers alike, or if every row has a {other} before the decimals task.decimal={other}"
        elif cell and not any(letter.isdigit() for letter in cell):
            fix += "; where labels are words, write task=classification"
        return Problem(
            where=row.where,
            expected=f"a finite number, with a {self.decimal} before the decimals",
            found=excerpt(cell) if cell else "an empty cell",
            fix=fix,
        )

    def check(self, rows: Sequence[Row], *, column: str, attested: frozenset[str]) -> None:
        """Stop where all rows have the same number: there is nothing to predict."""
        if len({row.fields["label"] for row in rows}) < 2:
            raise DataError(
                Problem(
                    where=f"{rows[0].file}, column {column}",
                    expected="two or more different numbers",
                    found=f"{rows[0].fields['label']} in all {len(rows)} rows",
                    fix="add rows with other numbers, or check that data.label names the right column",
                )
            )

    def names(self, rows: Iterable[Row], *, column: str) -> tuple[str, ...]:
        """The column's name, for the one output."""
        return (column,)

    def labels_of(self, canonical: str) -> tuple[str, ...]:
        """A number is no label."""
        return ()

    def shown(self, canonical: str) -> str:
        """The number."""
        return canonical

    def strata(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """The band that each row's number falls in; equal numbers fall in the same one."""
        values = values_of(rows)
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BANDS + 1)[1:-1]))
        bands = [(str(band),) for band in range(len(edges) + 1)]
        return [bands[band] for band in np.searchsorted(edges, values, side="right").tolist()]

    def check_known(self, rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
        """Any number may stand in any file."""

    def find_uneven(self, counts: Mapping[str, int], *, rows: int) -> tuple[Finding, ...]:
        """There are no labels to be rare."""
        return ()

    def spread(self, rows: Sequence[Row]) -> Spread | None:
        """The quantiles, the mean and the standard deviation of the numbers."""
        if not rows:
            return None
        values = values_of(rows)
        least, q25, median, q75, most = np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist()
        mean, deviation = float(values.mean()), float(values.std())
        return Spread(least=least, q25=q25, median=median, q75=q75, most=most, mean=mean, deviation=deviation)

    def choices(self) -> dict[str, Resolved[Any]]:
        """What stands before the decimals, where it was found."""
        return {} if self.found is None else {"task.decimal": self.found}


def _too_large(where: str, cell: str) -> Problem:
    return Problem(
        where=where,
        expected=f"a number of at most {LARGEST:g} in size, so that its square can be computed with",
        found=excerpt(cell),
        fix="write it in a larger unit, or as its logarithm",
    )


def values_of(rows: Sequence[Row]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The numbers of rows that were read, [rows]."""
    return np.array([float(row.fields["label"]) for row in rows], dtype=np.float64)
