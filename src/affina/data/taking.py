"""The rows of a run's files, those that have a text, with their answers read: all at once, or in parts.

Files that are large are gone over in parts, so that no more of them is held than whoever asked wants to keep: every
row, in arrays, for a training; a sample of them for the audit alone. A `.json` file is one list and cannot be read in
parts. This module decides nothing about rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Protocol, TypeVar

from affina.data.audit.scan import Scan, scan
from affina.data.checks import drop_empty_texts, found_blank, found_empty, refuse_no_rows
from affina.data.formats import read_table, read_tables, size_in_parts
from affina.data.gathering import Files
from affina.data.items import Item
from affina.data.labelling.base import Labelling
from affina.data.labelling.guess import Asked
from affina.data.labelling.written import Written
from affina.data.meaning import Meaning, cells_of, meaning_of
from affina.data.people import Groups, check_groups
from affina.data.rows import Row, is_blank, named
from affina.data.table import MOST_EXAMPLES, Table
from affina.data.unfit import UnfitRows
from affina.data.written.spellings import Spellings
from affina.recipe.data_spec import DataSpec
from affina.record.payloads import Finding

LARGE_BYTES: Final = 32 * 2**20
"""Training files that are larger than this together, unpacked, are gone over in parts."""
LARGE_ROWS: Final = 500_000
"""So are files that say to have more rows than this; where texts repeat, these take little room in a file."""
_HEAD_ROWS: Final = 10_000
_PART: Final = 5_000


def is_large(files: Files) -> bool:
    """Whether the training files are so large that they are gone over in parts."""
    sizes = [size_in_parts(item) for item in files.items["train"]]
    return sum(size for size, _ in sizes) > LARGE_BYTES or sum(rows for _, rows in sizes) > LARGE_ROWS


class Keeper(Protocol):
    """Takes rows as they are met."""

    def add(self, row: Row) -> None:
        """One more."""
        ...


Kept = TypeVar("Kept", bound=Keeper)
Held = TypeVar("Held")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Generic[Held]):
    """What the files gave.

    Attributes:
        meaning: of their columns.
        rows: split to its rows, or to what is kept of them.
        scans: split to what was seen in its rows.
        findings: what was noticed while they were read.
        files: each file, as the user wrote it, to the SHA-256 of its bytes.
    """

    meaning: Meaning
    rows: dict[str, Held]
    scans: dict[str, Scan]
    findings: tuple[Finding, ...]
    files: dict[str, str]


def take_at_once(spec: DataSpec, task: Asked, files: Files, *, people: str | None) -> Taken[Sequence[Row]]:
    """Every row, and every fault of a file in one error.

    Args:
        spec: the recipe's `data`.
        task: the recipe's `task`; where it is open, the label column of the first training file tells.
        files: what `spec` names.
        people: the recipe's `risks.bias.group`.

    Raises:
        RecipeError: keys contradict each other.
        DataError: a file, its columns or its rows cannot be used.
    """
    tables = {split: [read_table(item) for item in items] for split, items in files.items.items()}
    meaning = meaning_of(tables, spec, task, files, people=people)
    given: dict[str, Sequence[Row]] = {}
    findings: tuple[Finding, ...] = ()
    for name, part in tables.items():
        given[name], noticed = _read(part, meaning.by_file, meaning.labelling, split=name)
        findings += noticed
    check_groups(given, people)
    written = meaning.labelling.writes
    scans = {
        name: scan(part, split=name, file=named(table.file for table in tables[name]), written=written)
        for name, part in given.items()
    }
    hashes = {table.file: table.sha256 for part in tables.values() for table in part}
    return Taken(meaning=meaning, rows=given, scans=scans, findings=findings, files=hashes)


def _read(
    tables: Sequence[Table], columns: Mapping[str, Mapping[str, str]], labelling: Labelling, *, split: str
) -> tuple[Sequence[Row], tuple[Finding, ...]]:
    """The rows of a split's files that have a text, with their answers read."""
    called = named(table.file for table in tables)
    every = [row for table in tables for row in cells_of(table, columns[table.file], labelling)]
    rows, findings = (tuple(every), ()) if labelling.writes else drop_empty_texts(every, file=called, split=split)
    rows, noticed = labelling.read(rows, split=split)
    return rows, findings + noticed + _blank(called, tables, split=split)


def _blank(called: str, tables: Sequence[Table], *, split: str) -> tuple[Finding, ...]:
    places = [place for table in tables for place in table.blank_places]
    return found_blank(called, sum(table.blank for table in tables), places, split=split)


def take_in_parts(
    spec: DataSpec, task: Asked, files: Files, keep: Callable[[Sequence[Table]], Kept], *, people: str | None
) -> Taken[Kept]:
    """The same, stopping at the first fault; where the task is open, the first rows of the training files tell.

    Args:
        spec: the recipe's `data`.
        task: the recipe's `task`.
        files: what `spec` names.
        keep: the beginnings of a split's files to what takes its rows.
        people: the recipe's `risks.bias.group`.

    Raises:
        RecipeError: keys contradict each other.
        DataError: a file, its columns or one of its rows cannot be used.
    """
    heads = {split: [_head(item) for item in items] for split, items in files.items.items()}
    meaning = meaning_of(heads, spec, task, files, people=people)
    held: dict[str, Kept] = {}
    scans: dict[str, Scan] = {}
    hashes: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()
    groups = None if people is None else Groups(people, files.items["train"][0].name)
    for split, beginnings in heads.items():
        items = files.items[split]
        called = named(item.name for item in items)
        kept = keep(beginnings)
        one = _Pass(meaning.labelling, split, kept, groups)
        tables = (table for item in items for table in read_tables(item, rows=_PART))
        rows = one.rows(tables, meaning.by_file)
        scans[split] = scan(rows, split=split, file=called, written=meaning.labelling.writes)
        hashes |= {item.name: item.sha256() for item in items}
        held[split] = kept
        findings += one.findings(called)
    if groups is not None:
        groups.check()
    return Taken(meaning=meaning, rows=held, scans=scans, findings=findings, files=hashes)


def _head(item: Item) -> Table:
    """The first rows of a file; all of them where its beginning has none."""
    head = next(read_tables(item, rows=_HEAD_ROWS), None)
    return read_table(item) if head is None or not head.rows else head


@dataclass(slots=True)
class _Pass:
    """A split's files on their way: what is counted beside the rows."""

    labelling: Labelling
    split: str
    keeper: Keeper
    groups: Groups | None = None
    blank: int = 0
    blank_places: list[str] = field(default_factory=list)
    noticed: dict[str, Finding] = field(default_factory=dict)
    empty: int = 0
    empty_places: list[str] = field(default_factory=list)
    unfit: UnfitRows = field(default_factory=UnfitRows)
    spellings: Spellings = field(default_factory=Spellings)
    seen: int = 0

    def rows(self, tables: Iterator[Table], columns: Mapping[str, Mapping[str, str]]) -> Iterator[Row]:
        """The rows that have a text."""
        for table in tables:
            self.blank += table.blank
            self.blank_places += table.blank_places[: MOST_EXAMPLES - len(self.blank_places)]
            for row in self._read(cells_of(table, columns[table.file], self.labelling)):
                if self.groups is not None:
                    self.groups.add(row)
                self.seen += 1
                self.keeper.add(row)
                yield row

    def findings(self, called: str) -> tuple[Finding, ...]:
        """What was noticed in the files, which are called so.

        Raises:
            DataError: no row has a text; or rows are unfit, and `data.unfit` is `error`.
        """
        unfit: tuple[Finding, ...] = ()
        if isinstance(self.labelling, Written):
            of = self.seen + self.unfit.reasons.total()
            unfit = self.unfit.settle(self.labelling.unfit, split=self.split, file=called, of=of)
        if not self.seen:
            refuse_no_rows(called, of=self.empty)
        empty = (found_empty(self.empty, self.empty_places, split=self.split),) if self.empty else ()
        blank = found_blank(called, self.blank, self.blank_places, split=self.split)
        return (*blank, *self.noticed.values(), *empty, *self.spellings.findings(self.split), *unfit)

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
            self.spellings.add(kept)
            return self.labelling.sort_out(kept, self.unfit)
        read, findings = self.labelling.read(kept, split=self.split)
        for finding in findings:
            before = self.noticed.get(finding.name, replace(finding, count=0, examples=()))
            examples = (*before.examples, *finding.examples)[:MOST_EXAMPLES]
            self.noticed[finding.name] = replace(before, count=before.count + finding.count, examples=examples)
        return read
