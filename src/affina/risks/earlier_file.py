"""The user's labelled rows of an earlier task: how well the model still does on them is measured before and after.

Rows have `text` and `label`, and `text_pair` if it is there. Whatever cannot be used is refused before anything is
trained, row by row; of a long file some rows are drawn. This module runs no model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Final

from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.data.table import Table, Unusable
from affina.errors import DataError, Problem
from affina.record.figures import LEAST_ROWS
from affina.risks.given_items import check_columns, each_row, read_rows
from affina.risks.item_texts import texts_of

EARLIER_KEY: Final = "recipe key risks.forgetting.earlier"
TEXT, PAIR, LABEL = "text", "text_pair", "label"
EARLIER_FORM: Final = f"rows with the columns {TEXT} and {LABEL}"
MOST_ROWS: Final = 1_000
"""Rows that are asked, at most: more would make the interval little shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A file's rows.

    Attributes:
        file: its name, without folders.
        rows: those that are asked.
        labels: of the whole file, by letter.
        told: how many rows that is of how many.
    """

    file: str
    rows: tuple[Row, ...]
    labels: tuple[str, ...]
    told: str

    @property
    def name(self) -> str:
        """What a probe of them is called."""
        return f"earlier task of {self.file}"

    @property
    def targets(self) -> list[int]:
        """The place of each row's label among the labels."""
        places = {label: place for place, label in enumerate(self.labels)}
        return [places[row.fields[LABEL]] for row in self.rows]


def read_earlier(path: str, *, seed: int, budget: float | None, confidence: float) -> Earlier:
    """Read the file.

    Args:
        path: of it.
        seed: decides which rows of a long file are asked.
        budget: that is held against what is found; None without one.
        confidence: the level of the intervals.

    Raises:
        RecipeError: there is no such file, or it is of another format.
        DataError: a row cannot be used, there is one label alone, or there are too few rows to settle anything.
    """
    table = read_rows(path, key=EARLIER_KEY, form=EARLIER_FORM)
    check_columns(table, (TEXT, LABEL), key=EARLIER_KEY, form=EARLIER_FORM)
    rows = _rows(table)
    labels = Counter(row.fields[LABEL] for row in rows)
    if len(labels) < 2:
        only = next(iter(labels), "none")
        raise DataError(_problem(path, f"two labels or more in {LABEL}", f"only {only}", "name a file with several"))
    _refuse_few(path, len(rows), budget=budget, confidence=confidence)
    chosen = drawn_places(len(rows), most=MOST_ROWS, seed=seed)
    told = "all that it has" if len(chosen) == len(rows) else f"drawn by the seed from {len(rows):,}"
    some = tuple(rows[place] for place in chosen)
    return Earlier(file=Path(path).name, rows=some, labels=tuple(sorted(labels)), told=told)


def rows_for(budget: float, *, confidence: float) -> int:
    """Rows without which no model could be shown to be within a budget, not even one that changes no answer.

    Of so many right answers of which none is lost, the interval (Wilson) of the share that may be reaches up to it.

    Args:
        budget: a share.
        confidence: the level of the interval.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return max(LEAST_ROWS, math.ceil(z * z * (1 - budget) / budget))


def _refuse_few(path: str, count: int, *, budget: float | None, confidence: float) -> None:
    least = LEAST_ROWS if budget is None else rows_for(budget, confidence=confidence)
    if min(count, MOST_ROWS) >= least:
        return
    why = f"{least:,} rows or more: fewer settle nothing"
    fix = "name a file with more rows"
    if budget is not None:
        why = (
            f"{least:,} rows or more: of fewer not even a model that changes no answer is shown to be within the budget"
            f" of {100 * budget:g}% (risks.forgetting.budget)"
        )
        fix = "name a file with more rows, or write a larger budget"
        if least > MOST_ROWS:
            why = f"a budget of forgetting that {MOST_ROWS:,} rows can settle, which is the most that are asked"
            fix = "write a larger budget"
    raise DataError(_problem(path, why, f"{count:,}", fix))


def _rows(table: Table) -> list[Row]:
    names = (TEXT, PAIR, LABEL) if PAIR in table.columns else (TEXT, LABEL)

    def fields(where: str, row: Mapping[str, str | Unusable]) -> dict[str, str]:
        return dict(zip(names, texts_of(where, row, names), strict=True))

    found = each_row(table, fields)
    return [
        Row(one, table.file, number=place + 1, line=table.lines[place] if table.lines else 0)
        for place, one in enumerate(found)
    ]


def _problem(path: str, expected: str, found: str, fix: str) -> Problem:
    return Problem(where=f"{EARLIER_KEY} ({path})", expected=expected, found=found, fix=fix)
