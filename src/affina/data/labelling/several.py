"""Any number of labels in each row: the notations in which they are written, and what cannot be read.

The canonical text of a row is the JSON list of its labels, sorted and each once, so that two rows with the same labels
have the same text. Which notation a file has is found in `guess`; a file has one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

from affina.data.audit.balance import find_imbalance, find_similar_labels
from affina.data.checks import check_known_labels, noticed
from affina.data.labelling.base import in_order
from affina.data.labelling.notations import COLUMNS, LIST, divided, is_joined, listed, named_notation
from affina.data.rows import Row, named
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.recipe.task_specs import TaskName
from affina.record.payloads import Finding, Spread
from affina.values import Resolved

NO_LABEL: Final = "(no label)"
LABEL_ROLE: Final = "label "
"""Before the label's name in the role of its column of 0 and 1."""
_YES: Final = frozenset({"1", "1.0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "false", "no"})
_FEWEST: Final = 2


def _are_marks(cells: Sequence[str]) -> bool:
    """Whether lists are no labels but a mark of 0 or 1 for each label that there is: all as long, two or more."""
    lists = [listed(cell) or () for cell in cells]
    lengths = {len(marks) for marks in lists}
    return len(lengths) == 1 and lengths.pop() > 1 and {mark for marks in lists for mark in marks} == {"0", "1"}


def _marks_in_lists(row: Row) -> Problem:
    return Problem(
        where=f"{row.where} and all others",
        expected="lists of labels by name",
        found=f"lists of as many marks of 0 and 1 as there are labels, such as {excerpt(row.fields['label'])}",
        fix="write each row's labels by name, or give each label a column of 0 and 1: 'data.label=[first, second]'",
    )


@final
@dataclass(frozen=True, slots=True)
class LabelSets:
    """Each row has a set of labels, which may be empty.

    Attributes:
        separator: the notation: `json`, `blank`, `none`, `columns`, or the characters between two labels.
        found: the same with its reason, where it was not given.
    """

    separator: str
    found: Resolved[str] | None = None
    name: TaskName = "multi_label"
    stratified: str = field(default="by each label, the rarest first")
    writes: bool = False

    @property
    def takes_lists(self) -> bool:
        """A JSON list is read, but where each label has a column."""
        return self.separator != COLUMNS

    def read(self, rows: Sequence[Row], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
        """The rows with their labels; rows without one, and labels written twice in a cell, are counted.

        A file whose cells are all lists is read so, whatever the notation of the training file.

        Raises:
            DataError: one problem for each cell in another notation.
        """
        read: list[Row] = []
        problems: list[Problem] = []
        none: list[str] = []
        twice: list[str] = []
        cells = [row.fields.get("label", "") for row in rows]
        in_lists = any(cells) and all(listed(cell) is not None for cell in cells if cell)
        reading = replace(self, separator=LIST) if in_lists and self.takes_lists else self
        for row in rows:
            labels = reading._labels(row, problems)
            once = sorted(set(labels))
            none += [] if once else [row.where]
            twice += [row.where] if len(once) < len(labels) else []
            read.append(replace(row, fields={**self._other_fields(row), "label": json.dumps(once, ensure_ascii=False)}))
        if reading.separator == LIST and _are_marks(cells):
            problems = [_marks_in_lists(rows[0])]
        if problems:
            raise DataError(*problems)
        return tuple(read), (*_no_label(none, split), *_written_twice(twice, split))

    def _other_fields(self, row: Row) -> dict[str, str]:
        return {role: cell for role, cell in row.fields.items() if not role.startswith("label")}

    def _labels(self, row: Row, problems: list[Problem]) -> tuple[str, ...]:
        if self.separator == COLUMNS:
            return _ones(row, problems)
        cell = row.fields["label"]
        as_list = listed(cell)
        if self.separator == LIST:
            if cell and (as_list is None or "" in as_list):
                problems.append(_other_notation(row, self.separator, found=cell))
            return tuple(filter(None, as_list or ()))
        if as_list is not None:
            problems.append(_other_notation(row, self.separator, found=cell))
            return ()
        return divided(cell, self.separator)

    def check(self, rows: Sequence[Row], *, column: str, attested: frozenset[str]) -> None:
        """Stop where there is nothing to tell apart, or some cells are in another notation than the rest."""
        counts = Counter(label for row in rows for label in self.labels_of(row.fields["label"]))
        if len(counts) < _FEWEST:
            found = f"{len(counts)} in {len(rows)} rows" + (f": {excerpt(next(iter(counts)))}" if counts else "")
            fix = "add rows with other labels, or check that data.label names the right column and task.separator fits"
            where = f"{named(row.file for row in rows)}, column {column}"
            raise DataError(Problem(where=where, expected="two or more different labels", found=found, fix=fix))
        joined = {label for label in counts if is_joined(label, counts, self.separator, given=self.found is None)}
        problems = [
            _other_notation(row, self.separator, found=label)
            for row in (rows if joined else ())
            for label in self.labels_of(row.fields["label"])
            if label in joined
        ]
        if problems:
            raise DataError(*problems)

    def names(self, rows: Iterable[Row], *, column: str) -> tuple[str, ...]:
        """Every label that a row has."""
        return in_order({label for row in rows for label in self.labels_of(row.fields["label"])})

    def labels_of(self, canonical: str) -> tuple[str, ...]:
        """The labels of the list."""
        return tuple(json.loads(canonical))

    def shown(self, canonical: str) -> str:
        """The labels, or that there is none."""
        return ", ".join(self.labels_of(canonical)) or NO_LABEL

    def strata(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """Each row's labels."""
        found: dict[str, tuple[str, ...]] = {}
        cells = (row.fields["label"] for row in rows)
        return [found.setdefault(cell, self.labels_of(cell)) for cell in cells]

    def check_known(self, rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
        """Stop at labels that are not in training; a row without a label is one."""
        check_known_labels(rows, known=known, train=train, labels_of=self.labels_of)

    def find_uneven(self, counts: Mapping[str, int], *, rows: int) -> tuple[Finding, ...]:
        """Rare labels, and those that are likely slips of one another."""
        uneven = find_imbalance(counts, rows=rows, hides="micro-F1") if counts else ()
        return (*uneven, *find_similar_labels(counts))

    def spread(self, rows: Sequence[Row]) -> Spread | None:
        """Labels are no numbers here."""
        return None

    def choices(self) -> dict[str, Resolved[Any]]:
        """The notation, where it was found."""
        return {} if self.found is None else {"task.separator": self.found}


def _ones(row: Row, problems: list[Problem]) -> tuple[str, ...]:
    """The labels whose columns say 1."""
    cells = {role: cell.strip().lower() for role, cell in row.fields.items() if role.startswith(LABEL_ROLE)}
    problems += [
        Problem(
            where=f"{row.where}, column {role.removeprefix(LABEL_ROLE)}",
            expected="1 where the row has the label, 0 where it has not",
            found=excerpt(cell) if cell else "an empty cell",
            fix="write 0 or 1 there, or take the column out of data.label",
        )
        for role, cell in cells.items()
        if cell not in _YES | _NO
    ]
    return tuple(role.removeprefix(LABEL_ROLE) for role, cell in cells.items() if cell in _YES)


def _other_notation(row: Row, separator: str, *, found: str) -> Problem:
    return Problem(
        where=row.where,
        expected=f"{named_notation(separator)}, as in the other rows",
        found=excerpt(found),
        fix="write the labels of all rows in one notation, or say which one it is with task.separator",
    )


def _no_label(places: Sequence[str], split: str) -> tuple[Finding, ...]:
    meaning = f"{split} rows with no label at all, which are taken to be just that"
    advice = "remove them if their labels are only missing"
    return noticed("rows_without_a_label", places, split=split, meaning=meaning, advice=advice)


def _written_twice(places: Sequence[str], split: str) -> tuple[Finding, ...]:
    meaning = f"{split} rows that name a label more than once; it counts once"
    advice = "correct them if another label was meant"
    return noticed("labels_written_twice", places, split=split, meaning=meaning, advice=advice)
