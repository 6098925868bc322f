"""CSV and TSV: standard quoting, cells over several lines, true line numbers, and no row mended or dropped.

This module does not open files (`items`).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from affina.data.table import Cell, Source, Table, excerpt, row_address
from affina.errors import DataError, Problem
from affina.values import Resolved

_LARGEST_CELL: Final = 2**31 - 1
"""Characters; the csv module's own limit of 131,072 is less than one long document."""

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab"}


def parse_delimited(source: Source, *, delimiter: str, alternatives: tuple[str, ...] = ()) -> Table:
    """The table of a CSV or TSV text whose first row that is not blank is the header.

    Args:
        source: the text.
        delimiter: what the suffix stands for.
        alternatives: taken in its place only where the header has no `delimiter` and does have one of these.

    Raises:
        DataError: a row with too many or too few fields, a quote that does not close, a repeated column name.
    """
    chosen = choose_delimiter(source.text, delimiter, alternatives)
    used = delimiter if chosen is None else chosen.value
    rows: list[tuple[Cell, ...]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    columns: tuple[str, ...] | None = None
    blank: list[tuple[int, int]] = []
    for line, cells in _records(io.StringIO(source.text, newline=""), used):
        if isinstance(cells, str):
            problems.append(_quote_problem(source.file, len(lines), line, cells))
        elif not any(cell.strip() for cell in cells):
            blank += [] if columns is None else [(line, len(cells))]
        elif columns is None:
            columns = _header(cells, source.file, line)
        else:
            rows.append(tuple(cells))
            lines.append(line)
            if len(cells) != len(columns):
                problems.append(_width_problem(row_address(source.file, len(rows), line), cells, columns, used))
    if problems:
        raise DataError(*problems)
    names = columns or ()
    blank_rows = tuple(line for line, width in blank if width == len(names))
    return Table(source.file, names, tuple(rows), tuple(lines), source.sha256, len(blank), blank_rows, chosen)


def stream_delimited(
    file: str, lines: Iterable[str], *, delimiter: str
) -> Iterator[tuple[int, tuple[str, ...] | None, tuple[str, ...]]]:
    """The rows of a CSV or TSV text that is too large to hold, one at a time.

    Args:
        file: its name, for errors.
        lines: the text, line by line, with its line ends.
        delimiter: between cells.

    Yields:
        The line where a row starts, its cells or None for a blank row, and the header.

    Raises:
        DataError: at the first row with too many or too few fields, a quote that does not close, or a repeated name.
    """
    columns: tuple[str, ...] | None = None
    number = 0
    for line, cells in _records(lines, delimiter):
        if isinstance(cells, str):
            raise DataError(_quote_problem(file, number, line, cells))
        blank = not any(cell.strip() for cell in cells)
        if columns is None:
            columns = None if blank else _header(cells, file, line)
        elif blank:
            yield line, None, columns
        else:
            number += 1
            if len(cells) != len(columns):
                raise DataError(_width_problem(row_address(file, number, line), cells, columns, delimiter))
            yield line, tuple(cells), columns


def _records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line where it starts; where quoting breaks, a message takes the cells' place."""
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            unclosed = "unexpected end" in str(error)
            yield (
                line,
                "an opening quote and no closing one up to the end of the file"
                if unclosed
                else f"text after a closing quote, at line {reader.line_num}",
            )
            return


def choose_delimiter(text: str, usual: str, alternatives: tuple[str, ...]) -> Resolved[str] | None:
    """Another delimiter than the usual one, only where the header, in the text's beginning, leaves no doubt."""
    if len(_first_record(text, usual)) > 1:
        return None
    fitting = [other for other in alternatives if len(_first_record(text, other)) > 1]
    if len(fitting) != 1:
        return None
    return Resolved(fitting[0], f"the header has no {_NAMES[usual]} and is divided by {_NAMES[fitting[0]]}s")


def _first_record(text: str, delimiter: str) -> list[str]:
    for _, cells in _records(io.StringIO(text, newline=""), delimiter):
        if isinstance(cells, str):
            break
        if any(cell.strip() for cell in cells):
            return cells
    return []


def _header(cells: list[str], file: str, line: int) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in cells)
    repeated = [name for name, count in Counter(columns).items() if name and count > 1]
    if repeated:
        problems = [
            Problem(
                where=f"{file}, header (line {line})",
                expected="a different name for each column",
                found=f"the name {excerpt(name)} {columns.count(name)} times",
                fix="rename or remove the repeated columns",
            )
            for name in repeated
        ]
        raise DataError(*problems)
    return columns


def _width_problem(where: str, cells: list[str], columns: tuple[str, ...], delimiter: str) -> Problem:
    name = _NAMES[delimiter]
    if len(cells) > len(columns):
        fix = f'put double quotes around the text that holds a {name}, as in "one{delimiter} two"'
    else:
        fix = "add the missing fields, or put double quotes around a text that goes over several lines"
    return Problem(
        where=where,
        expected=f"{len(columns)} field{'s' * (len(columns) > 1)} ({', '.join(columns)}), divided by {name}s",
        found=f"{len(cells)} field{'s' * (len(cells) > 1)}: {excerpt(delimiter.join(cells))}",
        fix=fix,
    )


def _quote_problem(file: str, rows_before: int, line: int, found: str) -> Problem:
    return Problem(
        where=row_address(file, rows_before + 1, line),
        expected='a cell that begins with a double quote ends with one, and writes "" for a quote inside',
        found=found,
        fix='close the quote in the row that begins here, or double quotes inside its text, as in "say ""hi"" to her"',
    )
