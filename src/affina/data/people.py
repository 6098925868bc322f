"""The column that says which group of people a row is about, or by: where it is, and what its values must be like.

It is named in the recipe (`risks.bias.group`), is read by no model, and is kept with the rows in the field `people`.
This module judges nobody (`evaluation.associations` does, and `risks` after the training).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from affina.data.column_problems import missing_column
from affina.data.names import KNOWN_NAMES, known_columns, normalised
from affina.data.rows import Row
from affina.data.table import Table, excerpt
from affina.data.written.columns import Columns
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import WritingSpec
from affina.values import Resolved

Found = tuple[Resolved[WritingSpec] | None, Columns, str]
Find = Callable[[Table, DataSpec], Found]
"""Tells the task where its answers are written, the columns, and what to say of another reading."""
KEY: Final = "risks.bias.group"
ROLE: Final = "people"
MOST_GROUPS: Final = 50
"""Values: a column with more says who, or how old exactly, and no group would have rows enough."""

_READ: Final = (
    "text",
    "text_pair",
    "label",
    "messages",
    "prompt",
    "completion",
    "system",
    "context",
    "source",
    "target",
)
"""Keys of `data` with columns that a model reads or learns."""


def find_beside(table: Table, spec: DataSpec, people: str | None, find: Find) -> Found:
    """What the columns mean, where that of the groups is taken for nothing else.

    Args:
        table: the first training file, or its beginning.
        spec: the recipe's `data`.
        people: the column of the groups.
        find: tells it of a table and a `data`.

    Raises:
        DataError: there is no such column, or it is unclear which other is meant.
        RecipeError: it is the text, or the label, by its name or because no other column is left for that.
    """
    rest, others = set_aside(table, spec, people)
    if people is None:
        return find(rest, others)
    for role, tiers in KNOWN_NAMES.items():
        if normalised(people) in tiers[0] and getattr(spec, role) == AUTO:
            raise RecipeError(_for_both(people, role, fix=_name_another(role)))
    try:
        found = find(rest, others)
    except DataError:
        _refuse_needed(people, _all_columns(table, others, people, find), {})
        raise
    _refuse_needed(people, _all_columns(table, others, people, find), found[1])
    return found


def _all_columns(table: Table, spec: DataSpec, people: str, find: Find) -> Columns:
    """The columns as they are found where that of the groups is one like all others; none where they are unclear."""
    try:
        writing, found, _ = find(table, spec)
    except DataError:
        return {}
    if writing is not None and any(column.value == people for column in found.values()):
        refuse_task(people, writing.value.name)
    return found


def _refuse_needed(people: str, every: Columns, rest: Columns) -> None:
    """Stop at a column that would be a text or the label, where no other is known by its name to be that."""
    for role in ("text", "text_pair", "label"):
        instead = rest.get(role)
        if role not in every or every[role].value != people:
            continue
        if instead is None or not known_columns(role if role in KNOWN_NAMES else "text", (instead.value,)):
            raise RecipeError(_for_both(people, role, fix=_name_another(role)))


def _name_another(role: str) -> str:
    return f"name another column for one of them: {KEY}=COLUMN for the groups, or data.{role}=COLUMN"


def _for_both(people: str, role: str, *, fix: str) -> Problem:
    found = f"the column {people} for both"
    return Problem(where=f"{KEY}, data.{role}", expected="a column for each", found=found, fix=fix)


def set_aside(table: Table, spec: DataSpec, people: str | None) -> tuple[Table, DataSpec]:
    """The table without the column of groups, so that it is taken for nothing else, and the recipe's `data` for it.

    It may be the column of `data.group` as well, which no model reads either; `data` is then returned without that.

    Raises:
        DataError: there is no such column.
        RecipeError: it is named for something that a model reads.
    """
    if people is None:
        return table, spec
    if people not in table.columns:
        raise DataError(missing_column(table, KEY, people))
    named = {role: getattr(spec, role) for role in _READ}
    if shared := [role for role, name in named.items() if people in (name if isinstance(name, tuple) else (name,))]:
        raise RecipeError(_for_both(people, shared[0], fix=f"name another column for one of them, or leave {KEY} out"))
    place = table.columns.index(people)
    rows = tuple((*row[:place], *row[place + 1 :]) for row in table.rows)
    rest = replace(table, columns=(*table.columns[:place], *table.columns[place + 1 :]), rows=rows)
    return rest, spec.model_copy(update={"group": None}) if spec.group == people else spec


def refuse_task(people: str | None, task: str) -> None:
    """Stop where there is no one label a row, of which groups could have different shares.

    Raises:
        RecipeError: naming the key.
    """
    if people is not None and task != "classification":
        where, expected = f"recipe key {KEY} ({people})", "a task with one label a row"
        raise RecipeError(Problem(where=where, expected=expected, found=f"the task {task}", fix="leave it out"))


def check_groups(given: Mapping[str, Sequence[Row]], people: str | None) -> None:
    """Stop at a column that forms no groups.

    Args:
        given: the rows of the files, by split.
        people: its name.

    Raises:
        DataError: it has one value, or too many.
    """
    if people is not None:
        check_counts(groups_of(row for rows in given.values() for row in rows), people, file=given["train"][0].file)


def check_counts(counts: Mapping[str, int], people: str, *, file: str, until: str = "") -> None:
    """The same of groups that were counted.

    Args:
        counts: group to its number of rows.
        people: the column's name.
        file: the training file.
        until: the row as far as which they were counted, where more follow.

    Raises:
        DataError: there is one group, or too many.
    """
    where = f"{file}, column {people} ({KEY})"
    expected = f"from 2 to {MOST_GROUPS} groups"
    if len(counts) > MOST_GROUPS:
        some = ", ".join(excerpt(value, 20) for value in list(counts)[:3])
        fix = "write a column that puts them into a few groups, such as ages into young, middle and old"
        found = f"{len(counts):,} values" + (f" as far as {until}" if until else "") + f", such as {some}"
        raise DataError(Problem(where=where, expected=expected, found=found, fix=fix))
    if len(counts) < 2 and not until:
        found = f"{excerpt(next(iter(counts)))} in every row that has a value" if counts else "no value at all"
        fix = f"name a column with several values, or leave {KEY} out"
        raise DataError(Problem(where=where, expected=expected, found=found, fix=fix))


@dataclass(slots=True)
class Groups:
    """The groups of people in the files of all splits, which stay few: a column with too many ends the pass."""

    column: str
    file: str
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count the row's group.

        Raises:
            DataError: it is one too many.
        """
        if group := row.fields.get(ROLE):
            self.counts[group] += 1
            if len(self.counts) > MOST_GROUPS:
                check_counts(self.counts, self.column, file=self.file, until=row.where)

    def check(self) -> None:
        """Stop at a column that forms no groups; after the last file."""
        check_counts(self.counts, self.column, file=self.file)


def groups_of(rows: Iterable[Row]) -> dict[str, int]:
    """Group to its number of rows, the largest first; a row with an empty cell is of none."""
    counts = Counter(row.fields.get(ROLE, "") for row in rows)
    counts.pop("", None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
