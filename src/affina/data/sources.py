"""From a path to a table: which formats are read, and what is wrong with a file before any row is looked at.

The format is that of the suffix; nothing is sniffed but the delimiter of a CSV's header. Parsing is `delimited` and
`objects`, encodings are `decoding`, what the columns mean is `columns`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from affina.data.decoding import decode
from affina.data.delimited import parse_delimited
from affina.data.objects import parse_json, parse_jsonl
from affina.data.table import Source, Table, excerpt
from affina.errors import DataError, Problem

ALTERNATIVES: Final = (";", "\t")
"""Delimiters of a .csv, besides the comma."""
_PARSERS: Final[Mapping[str, Callable[[Source], Table]]] = MappingProxyType(
    {
        ".csv": partial(parse_delimited, delimiter=",", alternatives=ALTERNATIVES),
        ".tsv": partial(parse_delimited, delimiter="\t"),
        ".json": parse_json,
        ".jsonl": parse_jsonl,
        ".ndjson": parse_jsonl,
    }
)
_READ: Final = "a file in one of the formats " + ", ".join(_PARSERS)
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""What no tokenizer can read: a NUL, and half of a surrogate pair, which JSON can write as an escape."""


def read_table(path: str | Path) -> Table:
    """All rows of a CSV, TSV, JSON or JSONL file.

    Raises:
        DataError: the file is missing, cannot be opened, is empty, is of another format, or does not hold to its own.
    """
    file = str(path)
    parser = _parser(Path(path), file)
    raw = _read(Path(path), file)
    text = decode(raw, file=file)
    if not text.strip():
        _refuse(file, expected="a header and rows", found="an empty file", fix="check that it was saved completely")
    table = parser(Source(file, text, hashlib.sha256(raw).hexdigest()))
    if not table.rows:
        _refuse(
            file,
            expected="at least one row of data",
            found="a header and no rows" if table.columns else "no rows",
            fix="add rows, or check that the file was saved completely",
        )
    refuse_no_text(table)
    return table


def _refuse(where: str, *, expected: str, found: str, fix: str) -> NoReturn:
    raise DataError(Problem(where=where, expected=expected, found=found, fix=fix))


def _parser(path: Path, file: str) -> Callable[[Source], Table]:
    """The reader of the path's suffix, where there is a file at all."""
    if path.is_dir():
        _refuse(file, expected="a file", found="a folder", fix=_name_one_of(path, path.name))
    if not path.exists():
        found = "no such file" if path.parent.is_dir() else f"no such file, and no folder {path.parent}"
        _refuse(file, expected="a file that exists", found=found, fix=_name_one_of(path.parent, path.name))
    parser = _PARSERS.get(path.suffix.lower())
    if parser is None:
        found = f"the suffix {excerpt(path.suffix)}" if path.suffix else "a name without a suffix"
        fix = "save the data in one of these formats, or rename the file if it already is in one"
        raise DataError(Problem(where=file, expected=_READ, found=found, fix=fix))
    return parser


def _name_one_of(folder: Path, name: str) -> str:
    """The fix for a path that is no file: the most similar data files of the folder, else any of them."""
    try:
        files = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in _PARSERS)
    except OSError:
        files = []
    by_lower = {entry.lower(): entry for entry in files}
    close = [by_lower[entry] for entry in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    if close:
        return "did you mean " + " or ".join(str(folder / entry) for entry in close) + "?"
    if files:
        return "name a data file: " + ", ".join(str(folder / entry) for entry in files[:5])
    return "check the path: it is taken from the folder the command runs in"


def _read(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError:
        found, fix = "no permission to read it", "give yourself the right to read it, or copy it to your own folder"
    except OSError as error:
        found, fix = f"the system could not read it: {error.strerror}", "copy the file to a local disk and try again"
    raise DataError(Problem(where=file, expected="a file that can be read", found=found, fix=fix))


def refuse_no_text(table: Table) -> None:
    """Stop at cells that no tokenizer can read.

    Raises:
        DataError: one problem for each such cell or column name.
    """
    problems = [
        _no_text(f"{table.file}, header", name, match) for name in table.columns if (match := _NO_TEXT.search(name))
    ]
    for index, row in enumerate(table.rows):
        for name, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, str) and (match := _NO_TEXT.search(cell)):
                problems.append(_no_text(f"{table.where(index)}, column {name}", cell, match))
    if problems:
        raise DataError(*problems)


def _no_text(where: str, cell: str, match: re.Match[str]) -> Problem:
    kind = "a NUL byte" if match.group() == "\0" else "half of a surrogate pair"
    before = excerpt(cell[max(0, match.start() - 20) : match.start()])
    fix = "remove it, or write the file again: it was damaged or is not a text file"
    found = f"{kind} at character {match.start() + 1}, after {before}"
    return Problem(where=where, expected="text without NUL bytes or broken characters", found=found, fix=fix)
