"""The confusion matrix for the page: a table of figures while that is readable, marks on a grid beyond, and the pairs.

This module counts nothing anew: the matrix is the record's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.record.payloads import Measured, Scores

LARGEST_TABLE: Final = 16
"""Classes up to which every cell of the matrix is written as a figure."""
MOST_PAIRS: Final = 15


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: how many rows of the true label `row` were given the label `column`.

    Attributes:
        row: the true label's place.
        column: the predicted label's place.
        count: rows.
        share: of the rows with that true label, from 0 to 1, with its interval.
    """

    row: int
    column: int
    count: int
    share: Measured

    @property
    def heat(self) -> int:
        """The strength of the cell's colour in percent; low enough for its figure to stay readable."""
        return round(8 + 52 * self.share.value) if self.count else 0

    @property
    def ink(self) -> float:
        """The opacity of the cell's mark on a large grid, where a single row must still be seen."""
        return round(0.25 + 0.75 * self.share.value, 2)


@dataclass(frozen=True, slots=True)
class Confusion:
    """The matrix, ready to be drawn.

    Attributes:
        labels: in the order of the model's classes.
        rows: every cell, row by row.
        pairs: the cells off the diagonal with the most rows, most first.
        mistakes: rows off the diagonal, in all.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    pairs: tuple[Cell, ...]
    mistakes: int

    @property
    def is_small(self) -> bool:
        """Whether every cell can be written as a figure."""
        return len(self.labels) <= LARGEST_TABLE

    @property
    def marks(self) -> list[Cell]:
        """The cells that hold any row."""
        return [cell for row in self.rows for cell in row if cell.count]


def confusion(scores: Scores) -> Confusion | None:
    """Lay out the matrix of `scores`; None where it has none."""
    if not scores.confusion:
        return None
    shares = {(cell.true, cell.predicted): cell.share for cell in scores.cells}
    nothing = Measured(value=0.0, low=0.0, high=0.0, n=0)
    rows = tuple(
        tuple(
            Cell(row, column, count, shares[row, column] if count else nothing) for column, count in enumerate(counts)
        )
        for row, counts in enumerate(scores.confusion)
    )
    wrong = [cell for row in rows for cell in row if cell.count and cell.row != cell.column]
    wrong.sort(key=lambda cell: (-cell.count, -cell.share.value, cell.row, cell.column))
    return Confusion(
        labels=tuple(line.label for line in scores.classes),
        rows=rows,
        pairs=tuple(wrong[:MOST_PAIRS]),
        mistakes=sum(cell.count for cell in wrong),
    )
