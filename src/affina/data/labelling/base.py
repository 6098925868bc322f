"""What a label column means to a task, before there is a model: the contract, and the order of labels.

A reading turns the cells as they stand in a file into one canonical text for each row, in the field `label`: two rows
with the same canonical text have the same answer. Every later step of the data stage works on that. This module holds
the contract alone; which reading a run has is chosen in `guess`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from affina.data.rows import Row
from affina.recipe.task_specs import TaskName
from affina.record.payloads import Finding, Spread
from affina.values import Resolved


class Labelling(Protocol):
    """How the label column, or columns, of a task are read."""

    @property
    def name(self) -> TaskName:
        """The task."""
        ...

    @property
    def takes_lists(self) -> bool:
        """Whether a JSON list is a label cell that can be read."""
        ...

    @property
    def stratified(self) -> str:
        """What the splits that are made keep alike, in words: `by label`; empty for nothing."""
        ...

    @property
    def writes(self) -> bool:
        """Whether the answer is a text that is to be written, of which an input may have several."""
        ...

    def read(self, rows: Sequence[Row], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
        """The rows with their canonical labels, and what was noticed in the cells.

        Where answers are labels, the rows have a text already; where they are written, the cells by role.

        Raises:
            DataError: cells that cannot be read; one problem for each.
        """
        ...

    def check(self, rows: Sequence[Row], *, column: str, attested: frozenset[str]) -> None:
        """Stop where the training rows cannot be learnt from.

        Args:
            rows: all rows of the training file, read, before any is held out.
            column: the label column's name, for messages.
            attested: labels of the validation and test files.

        Raises:
            DataError: with what is wrong with them.
        """
        ...

    def names(self, rows: Iterable[Row], *, column: str) -> tuple[str, ...]:
        """What each of the model's outputs is called, in their order."""
        ...

    def labels_of(self, canonical: str) -> tuple[str, ...]:
        """The labels that a canonical text stands for; none where it is a number."""
        ...

    def shown(self, canonical: str) -> str:
        """A canonical text as a reader would write it."""
        ...

    def strata(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """For each row what a split should have its share of."""
        ...

    def check_known(self, rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
        """Stop where a validation or test row has a label that no training row has.

        Raises:
            DataError: one problem for each such label.
        """
        ...

    def find_uneven(self, counts: Mapping[str, int], *, rows: int) -> tuple[Finding, ...]:
        """What is noticed of how the labels are spread: from each label to its number of training rows."""
        ...

    def spread(self, rows: Sequence[Row]) -> Spread | None:
        """How the numbers are spread; None where labels are no numbers."""
        ...

    def choices(self) -> dict[str, Resolved[Any]]:
        """Recipe key to how the cells are read, where that was found and not given."""
        ...


def count_labels(labelling: Labelling, cells: Mapping[str, int]) -> dict[str, int]:
    """Label to its number of rows, from each canonical text to its own."""
    found: dict[str, int] = {}
    for canonical, rows in cells.items():
        for label in labelling.labels_of(canonical):
            found[label] = found.get(label, 0) + rows
    return found


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of the model's outputs: integers by value, if all are; else by letter."""
    try:
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    except ValueError:
        return tuple(sorted(labels))
