"""The formats that are read: suffix to reader. A reader gives a file's rows held, as one table, or in parts.

Every way to the rows of a file goes through `read_table` or `read_tables`. How the bytes of a format are taken apart is
`delimited`, `objects` and `columnar`; where the bytes come from is `items`.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, NoReturn

from affina.data.columnar import columnar_size, columnar_table, columnar_tables
from affina.data.decoding import decode, encoding_of, encoding_to_say
from affina.data.delimited import choose_delimiter, parse_delimited, stream_delimited
from affina.data.items import Item, readable, suffixes_of
from affina.data.objects import parse_json, parse_jsonl, stream_jsonl
from affina.data.packing import PACKED
from affina.data.passages import SUFFIX, parse_passages
from affina.data.spreading import spread
from affina.data.table import Cell, Source, Table
from affina.data.unreadable import refuse_no_text
from affina.errors import DataError, Problem

_ALTERNATIVES: Final = (";", "\t")
"""Delimiters of a .csv, besides the comma."""
_HEAD_CHARACTERS: Final = 2**20
Placed = tuple[int, dict[str, Cell] | None]
"""A row's line, and its cells by column or None for a blank row."""


@dataclass(frozen=True, slots=True)
class Format:
    """How the files of one suffix are read.

    Attributes:
        table: all rows at once, with every fault of the file in one error.
        tables: the rows in parts of at most so many; stops at the first fault. None where a file cannot be read in
            parts.
    """

    table: Callable[[Item], Table]
    tables: Callable[[Item, int], Iterator[Table]] | None


def _held(parse: Callable[[Source], Table], item: Item) -> Table:
    with readable(item.name), item.open() as stream:
        raw = stream.read()
    text = decode(raw, file=item.name)
    if not text.strip():
        _refuse(item.name, expected="a header and rows", found="an empty file")
    sha256 = hashlib.sha256(raw).hexdigest() if item.is_plain else item.sha256()
    return replace(parse(Source(item.name, text, sha256)), encoding=encoding_to_say(raw))


def _streamed(rows_of: Callable[[Item, io.TextIOWrapper], Iterator[Placed]], item: Item, size: int) -> Iterator[Table]:
    """The rows of a text that is never held, as tables which know their places in the file."""
    with readable(item.name), item.open() as stream:
        head = stream.peek(4)[:4]
        encoding, said = encoding_of(head), encoding_to_say(head)
        try:
            with io.TextIOWrapper(stream, encoding, newline="") as lines:
                for table in _gathered(item.name, rows_of(item, lines), size):
                    yield replace(table, encoding=said)
        except UnicodeDecodeError as error:
            found = f"byte 0x{error.object[error.start]:02X}, which is not {encoding.upper()}"
            fix = "save the file as UTF-8 again"
            raise DataError(Problem(where=item.name, expected="text in UTF-8", found=found, fix=fix)) from None


def _gathered(file: str, rows: Iterator[Placed], size: int) -> Iterator[Table]:
    before, columns = 0, tuple[str, ...]()
    while part := list(itertools.islice(rows, size)):
        kept = [(line, cells) for line, cells in part if cells is not None]
        columns = tuple(dict.fromkeys((*columns, *(name for _, cells in kept for name in cells))))
        grid = tuple(tuple(cells.get(name, "") for name in columns) for _, cells in kept)
        lines = tuple(line for line, _ in kept)
        yield Table(file, columns, grid, lines, sha256="", blank=len(part) - len(kept), before=before)
        before += len(kept)


def _delimited_rows(item: Item, lines: io.TextIOWrapper) -> Iterator[Placed]:
    delimiter = "\t" if item.suffix == ".tsv" else _delimiter(item, lines.encoding)
    for line, cells, columns in stream_delimited(item.name, lines, delimiter=delimiter):
        yield line, None if cells is None else dict(zip(columns, cells, strict=True))


def _delimiter(item: Item, encoding: str) -> str:
    with item.open() as stream:
        head = stream.read(_HEAD_CHARACTERS).decode(encoding, errors="replace")
    chosen = choose_delimiter(head, ",", _ALTERNATIVES)
    return "," if chosen is None else chosen.value


def _jsonl_rows(item: Item, lines: io.TextIOWrapper) -> Iterator[Placed]:
    lines.reconfigure(newline="\n")  # a JSON text may hold a carriage return where a line does not end
    return stream_jsonl(item.name, lines)


_COLUMNAR: Final = Format(columnar_table, lambda item, rows: columnar_tables(item, rows=rows))
_JSONL: Final = Format(partial(_held, parse_jsonl), partial(_streamed, _jsonl_rows))
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        ".csv": Format(
            partial(_held, partial(parse_delimited, delimiter=",", alternatives=_ALTERNATIVES)),
            partial(_streamed, _delimited_rows),
        ),
        ".tsv": Format(partial(_held, partial(parse_delimited, delimiter="\t")), partial(_streamed, _delimited_rows)),
        ".json": Format(partial(_held, parse_json), None),
        ".jsonl": _JSONL,
        ".ndjson": _JSONL,
        ".parquet": _COLUMNAR,
        ".pq": _COLUMNAR,
        ".arrow": _COLUMNAR,
        ".feather": _COLUMNAR,
        SUFFIX: Format(partial(_held, parse_passages), None),
    }
)
READ: Final = f"{', '.join(FORMATS)}, each also packed as {', '.join(PACKED)}, or such files in a folder or a .zip"
"""What is read, for messages."""


def is_data(name: str) -> bool:
    """Whether a file of this name is read."""
    return suffixes_of(name)[0] in FORMATS


def read_table(item: Item) -> Table:
    """All rows of a data file.

    Raises:
        DataError: it cannot be opened or unpacked, is empty, or does not hold to its format.
    """
    table = spread(FORMATS[item.suffix].table(item))
    if not table.rows:
        found = "a header and no rows" if table.columns else "no rows"
        _refuse(item.name, expected="at least one row of data", found=found, fix="add rows, or ")
    refuse_no_text(table)
    return table


def read_tables(item: Item, *, rows: int) -> Iterator[Table]:
    """The rows of a data file in parts of at most so many; a file that cannot be read in parts is held.

    Raises:
        DataError: as `read_table`, at the first fault.
    """
    tables = FORMATS[item.suffix].tables
    for part in tables(item, rows) if tables is not None else (read_table(item),):
        table = spread(part)
        refuse_no_text(table)
        yield table


def size_in_parts(item: Item) -> tuple[int, int]:
    """The unpacked bytes of a file and, where its format says it, its rows; 0 where it cannot be read in parts."""
    if FORMATS[item.suffix].tables is None:
        return 0, 0
    with item.open():
        pass  # a file of another kind than its name says is refused as such
    return columnar_size(item) if FORMATS[item.suffix] is _COLUMNAR else (item.size(), 0)


def _refuse(where: str, *, expected: str, found: str, fix: str = "") -> NoReturn:
    fix += "check that the file was saved completely" if fix else "check that it was saved completely"
    raise DataError(Problem(where=where, expected=expected, found=found, fix=fix))
