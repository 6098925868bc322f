"""Files that are too large to be held: gone over once, with all rows counted and a sample of them kept.

For the audit alone; a run holds its rows. Duplicates, shared rows, labels and what a row shows by itself are of all
rows. A `.json` file is one list and cannot be read in parts. This module decides nothing about rows.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import Scan, scan
from affina.data.checks import found_blank, found_empty
from affina.data.columns import find_columns
from affina.data.decoding import encoding_of
from affina.data.delimited import choose_delimiter, stream_delimited
from affina.data.loading import Loaded, in_order
from affina.data.objects import stream_jsonl
from affina.data.reading import rows_of, same_columns
from affina.data.rows import Row, Splits, is_blank
from affina.data.shares import is_file
from affina.data.sources import ALTERNATIVES, refuse_no_text
from affina.data.table import Cell, Table
from affina.errors import DataError, Problem
from affina.recipe.schema import DataSpec
from affina.record.payloads import Finding

STREAMED_BYTES: Final = 32 * 2**20
"""Files larger than this are streamed by the audit."""
SAMPLED_ROWS: Final = 200_000
SAMPLED_BYTES: Final = 100 * 2**20
"""Of the rows of a sample, as far as the first rows let foresee."""
_HEAD_ROWS: Final = 10_000
_HEAD_CHARACTERS: Final = 2**20
_SUFFIXES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_PART: Final = 5_000


def is_streamed(path: str) -> bool:
    """Whether a file is so large that the audit goes over it without holding it."""
    file = Path(path)
    return file.is_file() and file.suffix.lower() in _SUFFIXES and file.stat().st_size > STREAMED_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What going over the files gave.

    Attributes:
        loaded: as of rows that were held, with a sample in the place of the rows.
        rows: split to the number of all its rows.
        labels: label to its number of training rows.
    """

    loaded: Loaded
    rows: dict[str, int]
    labels: dict[str, int]


@dataclass(slots=True)
class _Pass:
    """One file on its way: what is counted beside the rows."""

    columns: dict[str, str]
    seed: int
    size: int
    blank: int = 0
    empty: int = 0
    empty_places: list[str] = field(default_factory=list)
    seen: int = 0
    sample: list[Row] = field(default_factory=list)

    def rows(self, tables: Iterator[Table]) -> Iterator[Row]:
        """The rows that have a text; a sample of them is kept (Vitter 1985, algorithm R)."""
        draw = random.Random(self.seed)  # noqa: S311 - not a secret
        for table in tables:
            self.blank += table.blank
            refuse_no_text(table)
            for row in rows_of(table, self.columns):
                if any(is_blank(text) for text in row.texts):
                    self.empty += 1
                    self.empty_places += [row.where] if self.empty <= 5 else []
                    continue
                place = self.seen if self.seen < self.size else draw.randrange(self.seen + 1)
                self.seen += 1
                if place < len(self.sample):
                    self.sample[place] = row
                elif place < self.size:
                    self.sample.append(row)
                yield row


def load_streamed(spec: DataSpec, *, seed: int) -> Streamed:
    """Go over the training file, and the validation and test files where they are files.

    Raises:
        DataError: a file, its columns or one of its rows cannot be used.
    """
    files = {"train": str(spec.train)}
    files |= {name: str(getattr(spec, name)) for name in ("validation", "test") if is_file(getattr(spec, name))}
    columns: dict[str, str] = {}
    scans: list[Scan] = []
    findings: tuple[Finding, ...] = ()
    samples: dict[str, tuple[Row, ...]] = {"train": (), "validation": (), "test": ()}
    hashes = {}
    for split, file in files.items():
        head = next(_tables(file, rows=_HEAD_ROWS))
        if split == "train":
            columns = {role: column.value for role, column in find_columns(head, spec).items()}
        one = _Pass(same_columns(head, columns), seed, _sample_size(head))
        scans.append(scan(one.rows(_tables(file, rows=_PART)), split=split, file=file))
        with Path(file).open("rb") as raw:
            hashes[file] = hashlib.file_digest(raw, "sha256").hexdigest()
        samples[split] = tuple(sorted(one.sample, key=lambda row: row.number))
        findings += found_blank(file, one.blank, split=split)
        if one.empty:
            findings += (found_empty(one.empty, one.empty_places, split=split),)
    counts = scans[0].counts()
    labels = in_order(counts)
    total = sum(map(len, scans))
    near, check, lengths = look_at_splits(samples, labels, seed=seed, of=total)
    loaded = Loaded(
        splits=Splits(**samples),
        labels=labels,
        columns=columns,
        files=hashes,
        findings=findings + look_at_files(scans, {}) + near,
        checks=(*file_checks(scans), check),
        lengths=lengths,
        choices={},
    )
    rows = dict.fromkeys(samples, 0) | {scanned.split: len(scanned) for scanned in scans}
    return Streamed(loaded=loaded, rows=rows, labels={label: counts[label] for label in labels})


def _sample_size(head: Table) -> int:
    letters = sum(len(cell) if isinstance(cell, str) else 0 for row in head.rows for cell in row)
    return max(1_000, min(SAMPLED_ROWS, SAMPLED_BYTES * len(head.rows) // max(1, letters)))


def _tables(file: str, *, rows: int) -> Iterator[Table]:
    """The file as tables of at most so many rows, which know their places in the file."""
    with Path(file).open("rb") as raw:
        encoding = encoding_of(raw.read(4))
    try:
        with Path(file).open(encoding=encoding, newline="" if _is_delimited(file) else "\n") as lines:
            yield from _gathered(file, _rows(file, lines), rows)
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02X}, which is not {encoding.upper()}"
        fix = "save the file as UTF-8 again"
        raise DataError(Problem(where=file, expected="text in UTF-8", found=found, fix=fix)) from None


def _rows(file: str, lines: TextIO) -> Iterator[tuple[int, dict[str, Cell] | None]]:
    """Each row's line, and its cells by column or None for a blank row."""
    if not _is_delimited(file):
        yield from stream_jsonl(file, lines)
        return
    delimiter = _delimiter(file, lines)
    lines.seek(0)
    for line, cells, columns in stream_delimited(file, lines, delimiter=delimiter):
        yield line, None if cells is None else dict(zip(columns, cells, strict=True))


def _delimiter(file: str, lines: TextIO) -> str:
    if file.lower().endswith(".tsv"):
        return "\t"
    chosen = choose_delimiter(lines.read(_HEAD_CHARACTERS), ",", ALTERNATIVES)
    return "," if chosen is None else chosen.value


def _gathered(file: str, rows: Iterator[tuple[int, dict[str, Cell] | None]], size: int) -> Iterator[Table]:
    before = 0
    while part := list(itertools.islice(rows, size)):
        kept = [(line, cells) for line, cells in part if cells is not None]
        columns = tuple(dict.fromkeys(name for _, cells in kept for name in cells))
        grid = tuple(tuple(cells.get(name, "") for name in columns) for _, cells in kept)
        lines = tuple(line for line, _ in kept)
        yield Table(file, columns, grid, lines, sha256="", blank=len(part) - len(kept), before=before)
        before += len(kept)


def _is_delimited(file: str) -> bool:
    return Path(file).suffix.lower() in {".csv", ".tsv"}
