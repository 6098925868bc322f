"""Files that are too large to be held: gone over once, with all rows counted and a sample of them kept.

For the audit alone; a run holds its rows. Duplicates, shared rows, labels and what a row shows by itself are of all
rows. This module decides nothing about rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import ScannedRows
from affina.data.gathering import Files, files_of
from affina.data.labelling.base import count_labels
from affina.data.labelling.guess import Asked
from affina.data.loading import Loaded, checked
from affina.data.meaning import label_column, or_else
from affina.data.rows import Row, Splits, named
from affina.data.table import Table
from affina.data.taking import take_in_parts
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec

SAMPLED_ROWS: Final = 200_000
SAMPLED_BYTES: Final = 100 * 2**20
"""Of the rows of a sample, as far as the first rows let foresee."""


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
class _Sample:
    """A sample of the rows that come by (Vitter 1985, algorithm R).

    Attributes:
        size: how many.
        draw: decides which.
        rows: those that it has now, in no order.
        seen: how many came by.
    """

    size: int
    draw: random.Random
    rows: list[Row] = field(default_factory=list)
    seen: int = 0

    def add(self, row: Row) -> None:
        """One more came by."""
        place = self.seen if self.seen < self.size else self.draw.randrange(self.seen + 1)
        self.seen += 1
        if place < len(self.rows):
            self.rows[place] = row
        elif place < self.size:
            self.rows.append(row)


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

    def keep(heads: Sequence[Table]) -> _Sample:
        return _Sample(_sample_size(heads), random.Random(seed))  # noqa: S311 - not a secret

    taken = take_in_parts(spec, task, files, keep, people=people)
    meaning, scans = taken.meaning, list(taken.scans.values())
    labelling = meaning.labelling
    samples: dict[str, Sequence[Row]] = {"train": (), "validation": (), "test": ()}
    for split, sample in taken.rows.items():
        order = {item.name: place for place, item in enumerate(files.items[split])}
        samples[split] = tuple(sorted(sample.rows, key=lambda row: (order[row.file], row.number)))
    counts = count_labels(labelling, scans[0].counts())
    labels: tuple[str, ...] = ()
    if not labelling.writes:
        called = named(item.name for item in files.items["train"])
        read = {scanned.split: ScannedRows(scanned) for scanned in scans}
        with or_else(meaning, read["train"]):
            labels = checked(read, labelling, column=label_column(meaning.columns), train=called)
    total = sum(map(len, scans))
    near, check, lengths = look_at_splits(samples, tuple(counts), labelling, seed=seed, of=total)
    loaded = Loaded(
        splits=Splits(**samples),
        labelling=labelling,
        labels=labels,
        columns=meaning.columns,
        files=taken.files,
        findings=taken.findings + look_at_files(scans, {}, labelling) + near,
        checks=(*file_checks(scans), check),
        lengths=lengths,
        choices=meaning.choices,
        weights=files.weights,
    )
    rows = dict.fromkeys(samples, 0) | {scanned.split: len(scanned) for scanned in scans}
    return Streamed(loaded=loaded, rows=rows, labels=counts or dict.fromkeys(labels, len(scans[0])))


def _sample_size(heads: Sequence[Table]) -> int:
    rows = [row for head in heads for row in head.rows]
    letters = sum(len(cell) if isinstance(cell, str) else 0 for row in rows for cell in row)
    return max(1_000, min(SAMPLED_ROWS, SAMPLED_BYTES * len(rows) // max(1, letters)))
