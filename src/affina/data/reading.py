"""From a table and its columns to rows with roles, and reading files for a model that is already trained.

This module does not decide the columns of a training file (`columns`) and does not judge the rows (`checks`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from affina.data.column_problems import meaning
from affina.data.conversations import are_turns
from affina.data.formats import read_table
from affina.data.items import Item
from affina.data.names import KNOWN_NAMES, known_columns, known_partner, match_name
from affina.data.passages import is_running_text
from affina.data.rows import Row, is_blank
from affina.data.table import Table, Unusable
from affina.data.written.names import ANSWER_ROLES
from affina.errors import DataError, Problem
from affina.recipe.task_specs import TaskName

_STRIPPED: Final = frozenset({"label", "group", "people"})
"""Roles whose outer blanks mean nothing; a text is kept letter by letter."""
_WITH_REFERENCES: Final = ("generation", "translation")


def rows_of(
    table: Table, columns: Mapping[str, str], *, lists: bool = False, task: TaskName = "classification"
) -> tuple[Row, ...]:
    """The table's rows with the cells of the given columns; labels and groups without outer blanks.

    Conversations are their JSON text. A list of texts to be written is a row for each: references of one input.

    Args:
        table: the file.
        columns: role to column, the column as this file writes it.
        lists: whether a label may be a list, which is then handed on as its JSON text.
        task: what the rows are for.

    Raises:
        DataError: a list, an object or no number where a text is expected.
    """
    if nested := [_nested(table, role, name) for role, name in columns.items() if name in table.unread]:
        raise DataError(*nested)
    places = [(role, table.columns.index(name)) for role, name in columns.items()]
    answer = next((role for role in columns if role in ANSWER_ROLES), "")
    problems: list[Problem] = []
    rows = []
    for index, cells in enumerate(table.rows):
        fields: dict[str, str] = {}
        references: tuple[str, ...] = ()
        for role, place in places:
            cell = cells[place]
            if isinstance(cell, Unusable) and lists and role == "label" and cell.items is not None:
                fields[role] = json.dumps(cell.items, ensure_ascii=False)
            elif isinstance(cell, Unusable) and _as_json(role, cell, task):
                fields[role] = json.dumps(cell.value, ensure_ascii=False)
            elif isinstance(cell, Unusable) and cell.items and role in ANSWER_ROLES and task in _WITH_REFERENCES:
                fields[role], references = cell.items[0], cell.items[1:]
            elif isinstance(cell, Unusable):
                problems.append(_no_text(f"{table.where(index)}, column {columns[role]}", role, cell))
            else:
                fields[role] = cell.strip() if role in _STRIPPED else cell
        rows.append(Row(fields, table.file, table.before + index + 1, table.lines[index]))
        rows += [replace(rows[-1], fields=fields | {answer: text}) for text in references]
    if problems:
        raise DataError(*problems)
    return tuple(rows)


def _as_json(role: str, cell: Unusable, task: TaskName) -> bool:
    """Whether a value is read as its JSON text: a conversation, or attributes with their values that a text is for."""
    if role == "messages":
        return cell.value is not None
    if role in ("prompt", "completion") and task == "chat" and are_turns(cell.value):
        return True
    return role == "prompt" and isinstance(cell.value, dict)


def same_columns(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of the training file found again in a validation or test file, in any order; the group may be absent.

    Raises:
        DataError: a column is not there.
    """
    found = {role: match_name(name, table.columns) for role, name in columns.items()}
    lacking = [role for role, name in found.items() if name is None and role != "group"]
    problems = [absent_column(table, role, columns[role]) for role in lacking]
    if problems:
        raise DataError(*problems)
    return {role: name for role, name in found.items() if name is not None}


def read_texts(
    items: Iterable[Item], columns: Mapping[str, str], *, labelled: bool, lists: bool = False
) -> tuple[Row, ...]:
    """The rows of files for a trained model: all of them, in the files' order, so that results line up with them.

    Args:
        items: the files.
        columns: role to column, as the model was trained on; the same names are looked for first, then well-known ones.
        labelled: whether the labels are needed, and returned as they stand.
        lists: whether a label may be a list.

    Raises:
        DataError: the file cannot be read, a column cannot be found, or a text or a second text is blank; one problem
            for each such row.
    """
    roles = [role for role in columns if role not in ("group", "people") and (labelled or not role.startswith("label"))]
    read: list[Row] = []
    for item in items:
        table = read_table(item)
        _refuse_running_text(table)
        found = again(table, columns, roles=roles)
        rows = rows_of(table, found, lists=lists)
        _refuse_blank_texts(table, rows, found)
        read += rows
    return tuple(read)


def again(table: Table, columns: Mapping[str, str], *, roles: Sequence[str]) -> dict[str, str]:
    """The columns of a first file found again in another one: by their names, else by well-known ones.

    Args:
        table: the other file.
        columns: role to column in the first.
        roles: those that are needed; the group may be absent.

    Raises:
        DataError: a column is not there, and no other one is clearly meant.
    """
    found: dict[str, str] = {}
    for role in roles:
        name = match_name(columns[role], table.columns)
        if name is None and role != "group":
            name = _well_known(table, role, found)
        if name is not None:
            found[role] = name
    problems = [absent_column(table, role, columns[role]) for role in roles if role not in found and role != "group"]
    if problems:
        raise DataError(*problems)
    return found


def refuse_empty_labels(rows: Sequence[Row]) -> None:
    """Stop at rows without a label.

    Raises:
        DataError: one problem for each such row.
    """
    problems = [
        Problem(
            where=row.where, expected="a label", found="an empty label", fix="write the row's label, or remove the row"
        )
        for row in rows
        if is_blank(row.fields["label"])
    ]
    if problems:
        raise DataError(*problems)


def _refuse_running_text(table: Table) -> None:
    """Stop at a file without rows: nobody knows which of its parts should have an answer."""
    if is_running_text(table.file):
        fix = "write the texts as CSV, one a row, with a header such as text"
        raise DataError(
            Problem(where=table.file, expected="rows with a text each", found="running text without rows", fix=fix)
        )


def refuse_blank_rows(table: Table, among: Iterable[tuple[int, str, str]] = ()) -> None:
    """Stop at rows that are wholly blank, but for those at the end of the file: results would not line up with it.

    Args:
        table: the file.
        among: other rows that cannot be read, each with its line, its address and what was found.

    Raises:
        DataError: one problem for each.
    """
    last = table.lines[-1] if table.lines else 0
    blank = [(line, f"{table.file}, line {line}", "a wholly blank row") for line in table.blank_rows if line <= last]
    if blank := sorted([*blank, *among]):
        fix = "write the text there, or remove the row"
        raise DataError(*(Problem(where=where, expected="a text", found=found, fix=fix) for _, where, found in blank))


def _refuse_blank_texts(table: Table, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Stop at rows that a model has nothing to read in."""
    blank = [
        (row.line, f"{row.where}, column {columns[role]}", "nothing but blanks")
        for row in rows
        for role in ("text", "text_pair")
        if role in columns and is_blank(row.fields[role])
    ]
    refuse_blank_rows(table, blank)


def _well_known(table: Table, role: str, found: Mapping[str, str]) -> str | None:
    """The column that plays the role under another name than in training, where only one can."""
    free = [name for name in table.columns if name and name not in found.values() and name not in table.unread]
    if role == "text_pair":
        return known_partner(found["text"], free) if "text" in found else None
    tiers = known_columns(role, free) if role in KNOWN_NAMES else []
    if tiers:
        return tiers[0][0] if len(tiers[0]) == 1 else None
    return table.columns[0] or None if role == "text" and len(table.columns) == 1 else None


def absent_column(table: Table, role: str, name: str) -> Problem:
    """A column that another file has and this one needs."""
    return Problem(
        where=f"{table.file}, header",
        expected=f"the column {name}, which holds {meaning(role)} in training",
        found="the columns " + ", ".join(column or "(no name)" for column in table.columns),
        fix=f"rename the column with {meaning(role)} to {name}, or add it",
    )


def _nested(table: Table, role: str, name: str) -> Problem:
    fix = f"write it out as one text for each row, or name another column: data.{role}=COLUMN"
    found = f"nested values: {table.unread[name]}"
    expected = f"a text in each row, for {meaning(role)}"
    return Problem(where=f"{table.file}, column {name}", expected=expected, found=found, fix=fix)


def _no_text(where: str, role: str, cell: Unusable) -> Problem:
    fix = (
        "write one text there"
        if role != "label"
        else ("write one label there, as a text or an integer, or where rows have several task=multi_label")
    )
    return Problem(where=where, expected=f"a text, for {meaning(role)}", found=cell.found, fix=fix)
