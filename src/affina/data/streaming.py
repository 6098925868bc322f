"""Files that are too large to be held: gone over once, with all rows counted and a sample of them kept.

For the audit alone; a run holds its rows. Duplicates, shared rows, labels and what a row shows by itself are of all
rows. A `.json` file is one list and cannot be read in parts. This module decides nothing about rows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import Scan, ScannedRows, scan
from affina.data.checks import found_blank, found_empty
from affina.data.formats import read_table, read_tables, size_in_parts
from affina.data.gathering import Files, files_of
from affina.data.items import Item
from affina.data.labelling.base import Labelling, count_labels
from affina.data.labelling.guess import Asked
from affina.data.labelling.written import Written
from affina.data.loading import Loaded, checked
from affina.data.meaning import cells_of, label_column, meaning_of, or_else
from affina.data.people import MOST_GROUPS, ROLE, check_counts
from affina.data.rows import Row, Splits, is_blank, named
from affina.data.table import MOST_EXAMPLES, Table
from affina.data.unfit import UnfitRows
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.record.payloads import Finding

STREAMED_BYTES: Final = 32 * 2**20
"""Training files that are larger than this together, unpacked, are streamed by the audit."""
STREAMED_ROWS: Final = 500_000
"""So are files that say to have more rows than this; where texts repeat, these take little room in a file."""
SAMPLED_ROWS: Final = 200_000
SAMPLED_BYTES: Final = 100 * 2**20
"""Of the rows of a sample, as far as the first rows let foresee."""
_HEAD_ROWS: Final = 10_000
_PART: Final = 5_000


def is_streamed(files: Files) -> bool:
    """Whether the training files are so large that the audit goes over them without holding them."""
    sizes = [size_in_parts(item) for item in files.items["train"]]
    return sum(size for size, _ in sizes) > STREAMED_BYTES or sum(rows for _, rows in sizes) > STREAMED_ROWS


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
class _Groups:
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


@dataclass(slots=True)
class _Pass:
    """A split's files on their way: what is counted beside the rows."""

    labelling: Labelling
    split: str
    seed: int
    size: int
    groups: _Groups | None = None
    blank: int = 0
    noticed: dict[str, Finding] = field(default_factory=dict)
    empty: int = 0
    empty_places: list[str] = field(default_factory=list)
    unfit: UnfitRows = field(default_factory=UnfitRows)
    seen: int = 0
    sample: list[Row] = field(default_factory=list)

    def rows(self, tables: Iterator[Table], columns: Mapping[str, Mapping[str, str]]) -> Iterator[Row]:
        """The rows that have a text; a sample of them is kept (Vitter 1985, algorithm R)."""
        draw = random.Random(self.seed)  # noqa: S311 - not a secret
        for table in tables:
            self.blank += table.blank
            for row in self._read(cells_of(table, columns[table.file], self.labelling)):
                if self.groups is not None:
                    self.groups.add(row)
                place = self.seen if self.seen < self.size else draw.randrange(self.seen + 1)
                self.seen += 1
                if place < len(self.sample):
                    self.sample[place] = row
                elif place < self.size:
                    self.sample.append(row)
                yield row

    def findings(self, called: str) -> tuple[Finding, ...]:
        """What was noticed in the files, which are called so.

        Raises:
            DataError: rows are unfit, and `data.unfit` is `error`.
        """
        unfit: tuple[Finding, ...] = ()
        if isinstance(self.labelling, Written):
            of = self.seen + self.unfit.reasons.total()
            unfit = self.unfit.settle(self.labelling.unfit, split=self.split, file=called, of=of)
        empty = (found_empty(self.empty, self.empty_places, split=self.split),) if self.empty else ()
        return (*found_blank(called, self.blank, split=self.split), *self.noticed.values(), *empty, *unfit)

    def _read(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Those with a text, their answers read; what is noticed adds up."""
        kept = []
        for row in rows:
            if any(is_blank(text) for text in row.texts):
                self.empty += 1
                self.empty_places += [row.where] if self.empty <= MOST_EXAMPLES else []
            else:
                kept.append(row)
        if isinstance(self.labelling, Written):
            return self.labelling.sort_out(kept, self.unfit)
        read, findings = self.labelling.read(kept, split=self.split)
        for finding in findings:
            before = self.noticed.get(finding.name, replace(finding, count=0, examples=()))
            examples = (*before.examples, *finding.examples)[:MOST_EXAMPLES]
            self.noticed[finding.name] = replace(before, count=before.count + finding.count, examples=examples)
        return read


def load_streamed(
    spec: DataSpec, *, seed: int, task: Asked = AUTO, files: Files | None = None, people: str | None = None
) -> Streamed:
    """Go over the training files, and the validation and test files where there are such.

    Args:
        spec: the recipe's `data`.
        seed: decides samples.
        task: the recipe's `task`; where it is open, the first rows of the training files tell.
        people: the recipe's `risks.bias.group`.
        files: what `spec` names, where that was found before.

    Raises:
        DataError: a file, its columns or one of its rows cannot be used.
    """
    files = files_of(spec) if files is None else files
    heads = {split: [_head(item) for item in items] for split, items in files.items.items()}
    meaning = meaning_of(heads, spec, task, files, people=people)
    labelling, columns, by_file = meaning.labelling, meaning.columns, meaning.by_file
    scans: list[Scan] = []
    findings: tuple[Finding, ...] = ()
    samples: dict[str, tuple[Row, ...]] = {"train": (), "validation": (), "test": ()}
    hashes: dict[str, str] = {}
    groups = None if people is None else _Groups(people, files.items["train"][0].name)
    for split, beginnings in heads.items():
        items = files.items[split]
        called = named(item.name for item in items)
        one = _Pass(labelling, split, seed, _sample_size(beginnings), groups)
        tables = (table for item in items for table in read_tables(item, rows=_PART))
        scans.append(scan(one.rows(tables, by_file), split=split, file=called, written=labelling.writes))
        hashes |= {item.name: item.sha256() for item in items}
        order = {item.name: place for place, item in enumerate(items)}
        samples[split] = tuple(sorted(one.sample, key=lambda row: (order[row.file], row.number)))
        findings += one.findings(called)
    if groups is not None:
        groups.check()
    counts = count_labels(labelling, scans[0].counts())
    labels: tuple[str, ...] = ()
    if not labelling.writes:
        called = named(item.name for item in files.items["train"])
        read = {scanned.split: ScannedRows(scanned) for scanned in scans}
        with or_else(meaning, read["train"]):
            labels = checked(read, labelling, column=label_column(columns), train=called)
    total = sum(map(len, scans))
    near, check, lengths = look_at_splits(samples, tuple(counts), labelling, seed=seed, of=total)
    loaded = Loaded(
        splits=Splits(**samples),
        labelling=labelling,
        labels=labels,
        columns=columns,
        files=hashes,
        findings=findings + look_at_files(scans, {}, labelling) + near,
        checks=(*file_checks(scans), check),
        lengths=lengths,
        choices=meaning.choices,
        weights=files.weights,
    )
    rows = dict.fromkeys(samples, 0) | {scanned.split: len(scanned) for scanned in scans}
    return Streamed(loaded=loaded, rows=rows, labels=counts or dict.fromkeys(labels, len(scans[0])))


def _head(item: Item) -> Table:
    """The first rows of a file; all of them where its beginning has none."""
    head = next(read_tables(item, rows=_HEAD_ROWS), None)
    return read_table(item) if head is None or not head.rows else head


def _sample_size(heads: Sequence[Table]) -> int:
    rows = [row for head in heads for row in head.rows]
    letters = sum(len(cell) if isinstance(cell, str) else 0 for row in rows for cell in row)
    return max(1_000, min(SAMPLED_ROWS, SAMPLED_BYTES * len(rows) // max(1, letters)))
