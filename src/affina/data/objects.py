"""JSON (a list of objects) and JSONL (one object a line): each object a row, each key, without outer blanks, a column.

A key that a row lacks is an empty cell there. This module does not open files (`items`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

from affina.data.json_problems import (
    ONE_A_LINE,
    ONE_LIST,
    broken,
    no_list,
    repeated,
    trailing,
    unusable,
)
from affina.data.table import Cell, Source, Table, Unusable, row_address
from affina.errors import DataError, Problem


class _RepeatedKeyError(ValueError):
    """An object names a key twice; `json` would keep the last one in silence."""


def parse_jsonl(source: Source) -> Table:
    """The table of a text with one JSON object a line.

    Raises:
        DataError: a line that is not JSON, or not an object; all such lines at once.
    """
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    blank = 0
    # Not `splitlines`: a JSON text may hold other line separators, such as U+2028.
    for line, text in enumerate(source.text.split("\n"), start=1):
        if not text.strip():
            blank += 1
            continue
        where = row_address(source.file, len(rows) + len(problems) + 1, line)
        try:
            rows.append((line, _row(_DECODER.decode(text), where, ONE_A_LINE)))
        except DataError as error:
            problems.extend(error.problems)
        except (ValueError, RecursionError) as error:
            problems.append(_fault(error, where, ONE_A_LINE, fix="correct that line, or remove it"))
    if problems:
        raise DataError(*problems)
    return _table(source, rows, blank - source.text.endswith("\n"))


def stream_jsonl(file: str, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Cell] | None]]:
    """The rows of a JSONL text that is too large to hold, one at a time.

    Yields:
        The line, and the cells by column or None for a blank row.

    Raises:
        DataError: at the first line that is not JSON, or not an object.
    """
    number = 0
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            yield line, None
            continue
        number += 1
        where = row_address(file, number, line)
        try:
            row = _row(_DECODER.decode(text), where, ONE_A_LINE)
        except (ValueError, RecursionError) as error:
            problem = _fault(error, where, ONE_A_LINE, fix="correct that line, or remove it")
            raise DataError(problem) from error
        cells = {name: cell_of(value) for name, value in row.items()}
        yield line, cells if _has_content(tuple(cells.values())) else None


def parse_json(source: Source) -> Table:
    """The table of a text that is one JSON list of objects.

    Raises:
        DataError: text that is not JSON, with the line where it stops being so; anything but a list of objects.
    """
    text = source.text
    place = _skip_blank(text, 0)
    if text[place : place + 1] != "[":
        raise DataError(no_list(source, place))
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    line = 1 + text.count("\n", 0, place)
    seen, place = place, _skip_blank(text, place + 1)
    closed = text[place : place + 1] == "]"
    while not closed:
        line, seen = line + text.count("\n", seen, place), place
        where = row_address(source.file, len(rows) + len(problems) + 1, line)
        try:
            value, place = _DECODER.raw_decode(text, place)
            place, closed = _after(text, place)
        except (ValueError, RecursionError) as error:
            problems.append(_fault(error, where, ONE_LIST, fix="correct the JSON at that line"))
            break
        try:
            rows.append((line, _row(value, where, ONE_LIST)))
        except DataError as error:
            problems.extend(error.problems)
    if not problems and text[place + 1 :].strip():
        problems.append(trailing(source, _skip_blank(text, place + 1)))
    if problems:
        raise DataError(*problems)
    return _table(source, rows, 0)


def _after(text: str, place: int) -> tuple[int, bool]:
    """Where the next value begins, or the list's end and True."""
    place = _skip_blank(text, place)
    mark = text[place : place + 1]
    if mark == "]":
        return place, True
    if mark != ",":
        raise json.JSONDecodeError("a comma or the closing ] is missing", text, place)
    return _skip_blank(text, place + 1), False


def _skip_blank(text: str, place: int) -> int:
    while text[place : place + 1] in {" ", "\t", "\r", "\n"}:
        place += 1
    return place


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError(_first_repeated([name for name, _ in pairs]))
    return found


def _first_repeated(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_repeats)


def _fault(error: Exception, where: str, expected: str, *, fix: str) -> Problem:
    if isinstance(error, _RepeatedKeyError):
        return repeated(str(error), where, expected)
    return broken(error, where, expected, fix=fix)


def _row(value: Any, where: str, expected: str) -> dict[str, Any]:
    if isinstance(value, dict):
        row = {name.strip(): cell for name, cell in value.items()}
        if len(row) < len(value):
            raise DataError(repeated(_first_repeated([name.strip() for name in value]), where, expected))
        return row
    fix = "write the row as an object with a key for each column"
    if expected == ONE_A_LINE and isinstance(value, list):
        fix += ", or rename the file to .json if it is one list"
    raise DataError(Problem(where=where, expected=expected, found=unusable(value), fix=fix))


def _table(source: Source, rows: list[tuple[int, dict[str, Any]]], blank: int) -> Table:
    columns = tuple(dict.fromkeys(name for _, row in rows for name in row))
    cells = [(line, tuple(cell_of(row.get(name)) for name in columns)) for line, row in rows]
    kept = [(line, row) for line, row in cells if _has_content(row)]
    lines, grid = tuple(line for line, _ in kept), tuple(row for _, row in kept)
    blank_rows = tuple(line for line, row in cells if not _has_content(row))
    return Table(source.file, columns, grid, lines, source.sha256, blank + len(blank_rows), blank_rows)


def _has_content(row: tuple[Cell, ...]) -> bool:
    return any(isinstance(cell, Unusable) or cell.strip() for cell in row)


def cell_of(value: Any) -> Cell:
    """A JSON value as a cell: text, numbers and truth values as one would write them, null as an empty one."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    are_labels = isinstance(value, list) and all(isinstance(item, str | int) for item in value)
    return Unusable(unusable(value), tuple(map(str, value)) if are_labels else None, value)
