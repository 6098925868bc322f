"""The columns of several training files: the same in each file of a folder, found by name in each file of a list.

Which files there are is `gathering`; the columns of the first one are found in `columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from affina.data.gathering import Files
from affina.data.items import suffixes_of
from affina.data.reading import again
from affina.data.rows import is_blank, named
from affina.data.table import Table
from affina.errors import DataError, Problem
from affina.values import Resolved

_MOST_COLUMNS: Final = 12
_ANSWERS: Final = frozenset({"completion", "target"})
"""Roles of what is to be written."""
_OBJECTS: Final = frozenset({".json", ".jsonl", ".ndjson"})


def by_names(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of a first file found again in another one, by their names or well-known ones; see `again`."""
    return again(table, columns, roles=tuple(columns))


def columns_by_file(
    tables: Sequence[Table],
    found: Mapping[str, Resolved[str]],
    files: Files,
    *,
    find: Callable[[Table, Mapping[str, str]], dict[str, str]] = by_names,
) -> tuple[dict[str, dict[str, str]], dict[str, Resolved[Any]]]:
    """The columns of each training file, role to name, and where a file of a list calls them otherwise.

    Args:
        tables: the training files, or their beginnings; the first is that of `found`.
        found: the columns of the first.
        files: tells which belong to one folder.
        find: finds the columns of the first file in another one.

    Raises:
        DataError: a file lacks a column, or those of one folder have different columns.
    """
    first_of: dict[int, Table] = {}
    named = {role: column.value for role, column in found.items()}
    columns: dict[str, dict[str, str]] = {}
    choices: dict[str, Resolved[Any]] = {}
    for table in tables:
        first = first_of.setdefault(files.entries[table.file], table)
        if first is not table:
            _refuse_different(first, table, columns[first.file].values())
        own = find(table, named) if table is not tables[0] else named
        columns[table.file] = own
        if own != named and first is table:
            told = ", ".join(f"{role} {name}" for role, name in own.items())
            reason = f"{table.file} has not all columns of {tables[0].file}; well-known names for the same"
            choices[f"data.train (columns of {table.file})"] = Resolved(told, reason)
    return columns, choices


def readings(tables: Iterable[Table], columns: Mapping[str, Mapping[str, str]]) -> dict[str, Resolved[Any]]:
    """How columns of another type than text are read, each reading once, and which were not read at all."""
    chosen: dict[str, Resolved[Any]] = {}
    for table in tables:
        for role, name in columns[table.file].items():
            if name in table.readings:
                chosen.setdefault(
                    f"data.{role} (values)",
                    Resolved(table.readings[name], f"the column {name} of {table.file} does not hold texts"),
                )
        if table.unread:
            names = ", ".join(list(table.unread)[:_MOST_COLUMNS])
            reason = f"nested values, such as {next(iter(table.unread.values()))[:60]}, which no role needs"
            chosen.setdefault("data.train (columns left unread)", Resolved(names, reason))
    return chosen


def hide_unlabelled(
    tables: dict[str, list[Table]], columns: Mapping[str, Mapping[str, str]], files: Files
) -> dict[str, Resolved[Any]]:
    """Leave out a split that nobody named and whose labels are all missing, as of sets whose labels are secret."""
    chosen: dict[str, Resolved[Any]] = {}
    for name in files.found & tables.keys():
        answers = [
            table.column(column)
            for table in tables[name]
            for role, column in columns[table.file].items()
            if role.startswith("label") or role in _ANSWERS
        ]
        if answers and all(isinstance(cell, str) and is_blank(cell) for cells in answers for cell in cells):
            what = "a label" if any(role.startswith("label") for role in columns[tables[name][0].file]) else "an answer"
            where = named(table.file for table in tables.pop(name))
            chosen[f"data.{name} (not used)"] = Resolved(where, f"none of its rows has {what}")
    return chosen


def _refuse_different(first: Table, table: Table, used: Iterable[str]) -> None:
    """Files of one folder whose columns differ; where JSON is among them, columns that are not used may be lacking."""
    missing = [name for name in first.columns if name and name not in table.columns]
    extra = [name for name in table.columns if name and name not in first.columns]
    if {suffixes_of(table.file)[0], suffixes_of(first.file)[0]} & _OBJECTS:
        missing, extra = [name for name in missing if name in set(used)], []
    if not missing and not extra:
        return
    lacks = [f"without {', '.join(missing[:_MOST_COLUMNS])}"] if missing else []
    lacks += [f"with {', '.join(extra[:_MOST_COLUMNS])} beside them"] if extra else []
    raise DataError(
        Problem(
            where=f"{table.file} and {first.file}",
            expected=f"the same columns in all files of a folder: {', '.join(first.columns[:_MOST_COLUMNS])}",
            found=f"{table.file} {' and '.join(lacks)}",
            fix="give them the same columns, or name the files as a list, which needs only the columns for "
            f"what is learned: data.train=[{first.file}, {table.file}]",
        )
    )
