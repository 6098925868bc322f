"""One pass over the rows of a split: what later looks compare, as numbers in arrays, and what a row shows by itself.

A row costs 28 bytes here, its text none, so that millions of rows fit. Two texts count as the same where their 64-bit
hashes are: among ten million texts that errs once in 370,000 times. This module judges nothing.
"""

from __future__ import annotations

import bisect
import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.damage import damage_of
from affina.data.audit.personal import personal_kinds
from affina.data.conversations import told_in
from affina.data.labelling.numbers import is_number
from affina.data.on_access import OnAccess
from affina.data.rows import Row, text_key
from affina.data.table import MOST_EXAMPLES, row_address

MISSING_MARKS: Final = frozenset({"nan", "null", "<na>", "n/a", "#n/a", "nat"})
_LONGEST_NAME: Final = 80
"""Characters."""
_PART: Final = 10_000
_LONGEST_MARK: Final = max(map(len, MISSING_MARKS))


@dataclass(slots=True)
class Tally:
    """Rows that show one thing: how many, and the first few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count a row."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The rows of a split's files, in their order.

    Attributes:
        split: the split whose rows they are.
        file: the name of their file, or of the first and how many more.
        starts: file to the place of its first row, in the rows' order.
        keys: [rows], the hash of the row's text.
        labels: [rows], places in `names`.
        names: the labels, as they first occur.
        numbers: [rows], the row's place in the file.
        lines: [rows], the line where it starts.
        shown: kind of personal data, damage or missing mark to the rows that show it.
        written: the labels are texts to be written; a long one has its beginning and its hash for a name.
    """

    split: str
    file: str
    starts: Mapping[str, int]
    keys: NDArray[np.uint64]
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    lines: NDArray[np.int64]
    shown: dict[str, Tally]
    written: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    def file_of(self, place: int) -> str:
        """The file of a row."""
        names = tuple(self.starts)
        return names[bisect.bisect_right(tuple(self.starts.values()), place) - 1]

    def near(self, place: int, other: int) -> str:
        """A row as it is called beside another one: by its number alone where both are of one file."""
        file = self.file_of(place)
        return f"row {self.numbers[place]}" if file == self.file_of(other) else self.where(place)

    def where(self, place: int) -> str:
        """The address of a row, as messages show it."""
        return row_address(self.file_of(place), int(self.numbers[place]), int(self.lines[place]))

    def counts(self) -> dict[str, int]:
        """Label to its number of rows."""
        return dict(zip(self.names, np.bincount(self.labels, minlength=len(self.names)).tolist(), strict=True))


class ScannedRows(OnAccess[Row]):
    """The rows of a scan as far as their labels and places go, made anew whenever they are asked for."""

    def __init__(self, scanned: Scan) -> None:
        self._scanned = scanned

    def __len__(self) -> int:
        return len(self._scanned)

    def at(self, place: int) -> Row:
        """One of them."""
        one = self._scanned
        label = one.names[one.labels[place]]
        return Row({"label": label}, one.file_of(place), int(one.numbers[place]), int(one.lines[place]))

    def __iter__(self) -> Iterator[Row]:
        """The same rows in order; part by part, since going over millions one by one takes minutes."""
        one, starts = self._scanned, [*self._scanned.starts.values(), len(self)]
        for file, begin, end in zip(one.starts, starts, starts[1:], strict=False):
            for start in range(begin, end, _PART):
                part = slice(start, min(start + _PART, end))
                columns = (column[part].tolist() for column in (one.labels, one.numbers, one.lines))
                for label, number, line in zip(*columns, strict=True):
                    yield Row({"label": one.names[label]}, file, number, line)


def scan(rows: Iterable[Row], *, split: str, file: str, written: bool = False) -> Scan:
    """Go over the rows of a split's files once, file by file; they may come from a stream.

    Args:
        rows: those that have a text.
        split: the split.
        file: what the files are called together.
        written: whether labels are texts to be written.
    """
    keys, labels, numbers, lines = array("Q"), array("i"), array("q"), array("q")
    names: dict[str, int] = {}
    shown: dict[str, Tally] = {}
    starts: dict[str, int] = {}
    for row in rows:
        starts.setdefault(row.file, len(keys))
        keys.append(hash_of(row))
        labels.append(names.setdefault(_name_of(row.fields["label"], written), len(names)))
        numbers.append(row.number)
        lines.append(row.line)
        for kind, example in _look(row, written):
            shown.setdefault(kind, Tally()).add(example)
    return Scan(
        split=split,
        file=file,
        starts=starts,
        keys=np.array(memoryview(keys), dtype=np.uint64, copy=None),
        labels=np.array(memoryview(labels), dtype=np.int32, copy=None),
        names=tuple(names),
        numbers=np.array(memoryview(numbers), dtype=np.int64, copy=None),
        lines=np.array(memoryview(lines), dtype=np.int64, copy=None),
        shown=shown,
        written=written,
    )


def _name_of(label: str, written: bool) -> str:
    """What a label is told apart by; of a text to be written no more than a line is held."""
    if not written or len(label) <= _LONGEST_NAME:
        return label
    return f"{label[: _LONGEST_NAME // 2]}\0{hashlib.blake2b(label.encode(), digest_size=8).hexdigest()}"


def hash_of(row: Row) -> int:
    """64 bits that stand for the row's text, the same in every process."""
    text, pair = text_key(row)
    return int.from_bytes(hashlib.blake2b(f"{text}\0{pair}".encode(), digest_size=8).digest(), "little")


def together(scans: Sequence[Scan], kind: str) -> Tally:
    """The rows of all files that show a kind."""
    found = [scanned.shown[kind] for scanned in scans if kind in scanned.shown]
    examples = [example for tally in found for example in tally.examples]
    return Tally(sum(tally.count for tally in found), examples[:MOST_EXAMPLES])


def _look(row: Row, written: bool) -> Iterator[tuple[str, str]]:
    """What a row shows by itself: the kind, and the example that the user gets to see."""
    label = row.fields["label"]
    told: set[str] = set()
    texts = (*row.texts, *told_in(row.fields))
    for text in (*texts, label) if written or not is_number(label) else texts:
        for kind, masked in personal_kinds(text):
            if kind not in told:
                told.add(kind)
                yield kind, f"{row.where}: {masked}"
    for text in (*texts, label) if written else texts:
        if damage := damage_of(text):
            yield damage[0], f"{row.where}: {damage[1]}"
    for role in ("label", "text"):
        cell = row.fields[role]
        if len(cell) <= 2 * _LONGEST_MARK and cell.strip().lower() in MISSING_MARKS:
            what = "answer" if written and role == "label" else role
            yield "missing_marks", f"{row.where}: the {what} {cell!r}"
