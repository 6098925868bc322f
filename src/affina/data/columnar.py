"""Parquet and Arrow: columns with types, read as the texts that every later step works with.

A nested column is an error only where it is used. Rows have no lines here. How each type is read is `arrow_cells`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from affina.data.arrow_cells import cells_of, columns_of, said_of
from affina.data.items import Item
from affina.data.table import Table
from affina.errors import DataError, Problem

_NAMES: Final = {".parquet": "Parquet", ".pq": "Parquet", ".arrow": "Arrow", ".feather": "Arrow"}
_FILE_MARK: Final = b"ARROW1"
"""How an Arrow file begins that has an index; one without is a stream."""
_BUFFER: Final = 2**20
_PART_BYTES: Final = 64 * 2**20
"""Of the rows that are taken out of a file at once, as far as its index lets foresee."""


def columnar_table(item: Item) -> Table:
    """All rows of a Parquet or Arrow file.

    Raises:
        DataError: the file is damaged, cut off, encrypted, or has a column name twice.
    """
    parts = list(columnar_tables(item, rows=2**31))
    first = replace(parts[0], sha256=item.sha256())
    if not parts[1:]:
        return first
    rows = tuple(row for part in parts for row in part.rows)
    return replace(first, rows=rows, lines=(0,) * len(rows))


def columnar_tables(item: Item, *, rows: int) -> Iterator[Table]:
    """The rows in parts of at most so many, one after another; a file without rows gives one empty part.

    Raises:
        DataError: as `columnar_table`.
    """
    with _sound(item), _opened(item) as (schema, batches_of):
        columns = columns_of(item.name, schema)
        names = tuple(name.strip() for name in columns)
        unread = {name.strip(): column.kind for name, column in columns.items() if column.unread}
        readings = {name.strip(): said for name, column in columns.items() if (said := said_of(column))}
        empty = Table(item.name, names, (), (), "", unread=unread, readings=readings)
        before = 0
        for batch in batches_of(rows):
            batch.validate(full=True)  # else a damaged place of a text is believed, and the process dies of it
            cells = [cells_of(batch.column(schema.get_field_index(name)), column) for name, column in columns.items()]
            grid = tuple(zip(*cells, strict=True))
            if grid:
                yield replace(empty, rows=grid, lines=(0,) * len(grid), before=before)
            before += len(grid)
        if not before:
            yield empty


def columnar_size(item: Item) -> tuple[int, int]:
    """The bytes of the columns, unpacked, and the number of the rows, 0 where no index says it."""
    if not item.is_plain or _NAMES[item.suffix] != "Parquet":
        return item.size(), 0
    import pyarrow.parquet  # noqa: PLC0415

    with _sound(item):
        found = pyarrow.parquet.read_metadata(item.path)
    return sum(found.row_group(place).total_byte_size for place in range(found.num_row_groups)), found.num_rows


@contextmanager
def _sound(item: Item) -> Iterator[None]:
    """What the library says of a damaged file, as an error with the file's name."""
    import pyarrow  # noqa: PLC0415

    name = _NAMES[item.suffix]
    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        said = str(error).partition("\n")[0]
        found, fix = f"damaged or cut off: {said}", "write, download or copy the file again"
        if isinstance(error, pyarrow.ArrowNotImplementedError):
            found, fix = f"something that cannot be read: {said}", "write the file again with the usual settings"
        elif "encrypt" in said.lower() or "decrypt" in said.lower():
            found, fix = f"an encrypted file: {said}", "write the file again without encryption"
        raise DataError(Problem(where=item.name, expected=f"a whole {name} file", found=found, fix=fix)) from error


@contextmanager
def _opened(item: Item) -> Iterator[tuple[Any, Any]]:
    """The file's schema, and a function from a number of rows to the file's rows in parts of at most so many."""
    import pyarrow  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    with item.open() as stream:
        begins = stream.peek(len(_FILE_MARK))[: len(_FILE_MARK)]
        source = item.path if item.is_plain else pyarrow.BufferReader(stream.read())
    if _NAMES[item.suffix] == "Parquet":
        with pyarrow.parquet.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False) as parquet:
            yield (
                parquet.schema_arrow,
                lambda rows: parquet.iter_batches(_part(parquet.metadata, rows), use_threads=False),
            )
        return
    opened = pyarrow.memory_map(str(source)) if item.is_plain else source
    with opened:
        if begins == _FILE_MARK:
            file = pyarrow.ipc.open_file(opened)
            batches = (file.get_batch(place) for place in range(file.num_record_batches))
            yield file.schema, lambda rows: _sliced(batches, rows)
        else:
            stream = pyarrow.ipc.open_stream(opened)
            yield stream.schema, lambda rows: _sliced(stream, rows)


def _part(metadata: Any, rows: int) -> int:
    """Fewer rows than asked for where they are long."""
    size = sum(metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups))
    fitting: int = max(1, min(rows, metadata.num_rows, _PART_BYTES * metadata.num_rows // max(1, size)))
    return fitting


def _sliced(batches: Any, rows: int) -> Iterator[Any]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
