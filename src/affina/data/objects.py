"""JSON (a list of objects) and JSONL (one object a line): each object a row, each key a column.

A key that a row lacks is an empty cell there. This module does not open files (`sources`).
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from affina.data.table import Cell, Source, Table, Unusable, excerpt, row_address
from affina.errors import DataError, Problem

_ONE_A_LINE: Final = "one JSON object on each line"
_ONE_LIST: Final = 'a list of objects, as in [{"text": "...", "label": "..."}]'


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
            rows.append((line, _row(_DECODER.decode(text), where, _ONE_A_LINE)))
        except DataError as error:
            problems.extend(error.problems)
        except (ValueError, RecursionError) as error:
            problems.append(_broken(error, where, _ONE_A_LINE, fix="correct that line, or remove it"))
    if problems:
        raise DataError(*problems)
    return _table(source, rows, blank - source.text.endswith("\n"))


def parse_json(source: Source) -> Table:
    """The table of a text that is one JSON list of objects.

    Raises:
        DataError: text that is not JSON, with the line where it stops being so; anything but a list of objects.
    """
    text = source.text
    place = _skip_blank(text, 0)
    if text[place : place + 1] != "[":
        raise DataError(_no_list(source, place))
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
            problems.append(_broken(error, where, _ONE_LIST, fix="correct the JSON at that line"))
            break
        try:
            rows.append((line, _row(value, where, _ONE_LIST)))
        except DataError as error:
            problems.extend(error.problems)
    if not problems and text[place + 1 :].strip():
        problems.append(_trailing(source, _skip_blank(text, place + 1)))
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
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_repeats)


def _row(value: Any, where: str, expected: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    fix = "write the row as an object with a key for each column"
    if expected is _ONE_A_LINE and isinstance(value, list):
        fix += ", or rename the file to .json if it is one list"
    raise DataError(Problem(where=where, expected=expected, found=_unusable(value), fix=fix))


def _table(source: Source, rows: list[tuple[int, dict[str, Any]]], blank: int) -> Table:
    columns = tuple(dict.fromkeys(name for _, row in rows for name in row))
    cells = [(line, tuple(_cell(row.get(name)) for name in columns)) for line, row in rows]
    kept = [(line, row) for line, row in cells if any(isinstance(cell, Unusable) or cell.strip() for cell in row)]
    lines, grid = tuple(line for line, _ in kept), tuple(row for _, row in kept)
    return Table(source.file, columns, grid, lines, source.sha256, blank + len(cells) - len(kept))


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    return Unusable(_unusable(value))


def _unusable(value: Any) -> str:
    kind = {list: "a list", dict: "an object", str: "a text", type(None): "null", bool: "true or false"}
    return f"{kind.get(type(value), 'a number')}: {excerpt(json.dumps(value, ensure_ascii=False))}"


def _broken(error: Exception, where: str, expected: str, *, fix: str) -> Problem:
    """What is wrong with a text that `json` refuses, with the line where it was refused."""
    if isinstance(error, _RepeatedKeyError):
        return Problem(
            where=where,
            expected=expected,
            found=f"the key {excerpt(str(error))} twice",
            fix="rename or remove one of them",
        )
    if not isinstance(error, json.JSONDecodeError):
        found = (
            "a number with too many digits" if isinstance(error, ValueError) else "lists or objects too deeply nested"
        )
        return Problem(where=where, expected=expected, found=found, fix=fix)
    if error.doc[error.pos : error.pos + 1] == "\0":
        return Problem(where=where, expected="text without NUL bytes", found="a NUL byte", fix="remove the byte")
    at = f"line {error.lineno}, " if "\n" in error.doc else ""
    rest = excerpt(error.doc[error.pos :]) if error.pos < len(error.doc) else "the end of the text"
    found = f"broken JSON at {at}character {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}, before {rest}"
    return Problem(where=where, expected=expected, found=found, fix=fix)


def _no_list(source: Source, place: int) -> Problem:
    where = f"{source.file}, line {1 + source.text.count(chr(10), 0, place)}"
    fix = "write the rows as one list"
    if source.text[place] == "{":
        fix += "; if the file has one object on each line, rename it to .jsonl"
    return Problem(where=where, expected=_ONE_LIST, found=excerpt(source.text[place : place + 200]), fix=fix)


def _trailing(source: Source, place: int) -> Problem:
    where = f"{source.file}, line {1 + source.text.count(chr(10), 0, place)}"
    found = f"more text after the list's end: {excerpt(source.text[place:])}"
    return Problem(where=where, expected=_ONE_LIST, found=found, fix="remove what follows the closing ]")
