"""The confusion matrix for the page: all of it while that is readable, its worst part beyond, and the pairs.

This module counts nothing anew but sums: the matrix is the record's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affina.record.figures import Measured
from affina.record.payloads import Scores

LARGEST_TABLE: Final = 16
"""Classes up to which every cell of the matrix is written as a figure."""
LARGEST_DRAWING: Final = 100
"""Classes up to which the matrix is drawn; beyond, a mark would be smaller than a dot."""
EXCERPT: Final = 12
"""Classes in the excerpt of a larger matrix."""
MOST_PAIRS: Final = 20
OTHERS: Final = "any other label"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: how many rows of the true label `row` were given the label `column`.

    Attributes:
        row: the true label's place.
        column: the predicted label's place.
        count: rows.
        part: of the rows with that true label, from 0 to 1.
    """

    row: int
    column: int
    count: int
    part: float

    @property
    def hit(self) -> bool:
        """Whether these rows are right."""
        return self.row == self.column

    @property
    def heat(self) -> int:
        """The strength of the cell's colour in percent; low enough for its figure to stay readable."""
        return round(6 + 34 * self.part) if self.count else 0

    @property
    def ink(self) -> float:
        """The opacity of the cell's mark on a large grid, where a single row must still be seen."""
        return round(0.25 + 0.75 * self.part, 2)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The labels with the most mistakes among themselves and with all others.

    Attributes:
        labels: these labels, the one with the most mistakes first, and a last column for all others.
        rows: their cells, row by row.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """The matrix, ready to be drawn.

    Attributes:
        labels: in the order of the model's classes.
        rows: every cell, row by row.
        pairs: the cells off the diagonal with the most rows, most first, each with its share and interval if recorded.
        mistakes: rows off the diagonal, in all.
        excerpt: the part to show where the whole is too large.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    pairs: tuple[tuple[Cell, Measured | None], ...]
    mistakes: int
    excerpt: Excerpt

    @property
    def is_small(self) -> bool:
        """Whether every cell can be written as a figure."""
        return len(self.labels) <= LARGEST_TABLE

    @property
    def is_drawn(self) -> bool:
        """Whether the whole matrix can be drawn."""
        return not self.is_small and len(self.labels) <= LARGEST_DRAWING

    @property
    def marks(self) -> list[Cell]:
        """The cells that hold any row."""
        return [cell for row in self.rows for cell in row if cell.count]


def confusion(scores: Scores) -> Confusion | None:
    """Lay out the matrix of `scores`; None where it has none, or one that its classes do not fit."""
    size = len(scores.classes)
    if not scores.confusion or {size} != {len(scores.confusion), *map(len, scores.confusion)}:
        return None
    shares = {(cell.true, cell.predicted): cell.share for cell in scores.cells}
    rows = tuple(_row(place, counts) for place, counts in enumerate(scores.confusion))
    wrong = [cell for row in rows for cell in row if cell.count and not cell.hit]
    wrong.sort(key=lambda cell: (-cell.count, -cell.part, cell.row, cell.column))
    labels = tuple(line.label for line in scores.classes)
    return Confusion(
        labels=labels,
        rows=rows,
        pairs=tuple((cell, shares.get((cell.row, cell.column))) for cell in wrong[:MOST_PAIRS]),
        mistakes=sum(cell.count for cell in wrong),
        excerpt=_excerpt(labels, scores.confusion),
    )


def _row(place: int, counts: Sequence[int]) -> tuple[Cell, ...]:
    total = sum(counts) or 1
    return tuple(Cell(place, column, count, count / total) for column, count in enumerate(counts))


def _excerpt(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Excerpt:
    missed = [sum(row) - row[place] for place, row in enumerate(matrix)]
    taken = [sum(row[place] for row in matrix) - matrix[place][place] for place in range(len(matrix))]
    order = sorted(range(len(matrix)), key=lambda place: -(missed[place] + taken[place]))[:EXCERPT]
    rows = []
    for here, place in enumerate(order):
        counts = [matrix[place][column] for column in order]
        rows.append(_row(here, [*counts, sum(matrix[place]) - sum(counts)]))
    return Excerpt((*(labels[place] for place in order), OTHERS), tuple(rows))
