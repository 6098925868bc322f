"""What makes rows unfit to train a classifier on: each is an error, but for empty texts, which are dropped and counted.

What is only worth knowing is in `findings`. This module does not read files and moves no row between splits.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from affina.data.reading import refuse_empty_labels
from affina.data.rows import Row
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.record.payloads import Finding

MOST_EXAMPLES: Final = 5
_INTEGER: Final = re.compile(r"[+-]?\d+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BETWEEN_LABELS: Final = re.compile(r"[\s,;|]+")


def drop_empty_texts(rows: Sequence[Row], *, file: str, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    """The rows that have a text, and a second one where there are pairs; the others are counted.

    Raises:
        DataError: no row is left.
    """
    kept = tuple(row for row in rows if _has_text(row))
    dropped = [row.where for row in rows if not _has_text(row)]
    if not kept:
        found = f"{len(rows)} row{'s' * (len(rows) != 1)}, and no text in any of them"
        fix = "check that data.text names the column with the texts"
        raise DataError(Problem(where=file, expected="at least one row with a text", found=found, fix=fix))
    if not dropped:
        return kept, ()
    meaning = "these rows have no text and were left out; give them a text if they should count"
    name = "empty_texts" if split == "train" else f"empty_texts_in_{split}"
    finding = Finding(name=name, count=len(dropped), meaning=meaning, examples=tuple(dropped[:MOST_EXAMPLES]))
    return kept, (finding,)


def _has_text(row: Row) -> bool:
    return all(row.fields[role].strip() for role in ("text", "text_pair") if role in row.fields)


def check_training_labels(rows: Sequence[Row], *, column: str) -> None:
    """Stop where the label column cannot be learnt from.

    Args:
        rows: all rows of the training file, before any is held out.
        column: the label column's name, for messages.

    Raises:
        DataError: an empty label, one class only, numbers with decimals, several labels in a cell, nearly as many
            labels as rows, or a label with one row only.
    """
    refuse_empty_labels(tuple(rows))
    counts = Counter(row.fields["label"] for row in rows)
    where = f"{rows[0].file}, column {column}"
    if len(counts) == 1:
        found = f"one label, {excerpt(next(iter(counts)))}, in all {len(rows)} rows"
        fix = "add rows of the other classes, or check that data.label names the right column"
        raise DataError(Problem(where=where, expected="two or more different labels", found=found, fix=fix))
    _refuse_decimals(rows, counts, column)
    _refuse_several(rows, counts, column)
    if 2 * len(counts) > len(rows) >= 10:
        found = f"{len(counts)} different labels in {len(rows)} rows, as in a column of free text or ids"
        fix = "name the column with the classes: data.label=COLUMN"
        raise DataError(Problem(where=where, expected="a few labels that come back", found=found, fix=fix))
    _refuse_single(rows, counts)


def check_known_labels(rows: Sequence[Row], *, known: Iterable[str], train: str) -> None:
    """Stop where a validation or test row has a label that no training row has.

    Raises:
        DataError: one problem for each such label.
    """
    refuse_empty_labels(tuple(rows))
    unseen = _by_label(row for row in rows if row.fields["label"] not in set(known))
    problems = [
        Problem(
            where=_addresses(found),
            expected=f"a label that rows of {train} have",
            found=f"the label {excerpt(label)}",
            fix=f"correct the label, add rows with it to {train}, or remove the row",
        )
        for label, found in unseen.items()
    ]
    if problems:
        raise DataError(*problems)


def _by_label(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.fields["label"]].append(row)
    return found


def _addresses(rows: Sequence[Row]) -> str:
    """The first row's address, and how many more there are."""
    more = len(rows) - 1
    return rows[0].where + (f" and {more} more row{'s' * (more > 1)}" if more else "")


def _refuse_decimals(rows: Sequence[Row], counts: Counter[str], column: str) -> None:
    decimal = [label for label in counts if not _INTEGER.fullmatch(label)]
    if not decimal or not all(_NUMBER.fullmatch(label) for label in counts):
        return
    first = next(row for row in rows if row.fields["label"] == decimal[0])
    whole = all(float(label).is_integer() for label in counts)
    fix = "write the classes as integers, 3 and not 3.0" if whole else "write classes as text or integers"
    raise DataError(
        Problem(
            where=f"{first.where}, column {column}",
            expected="a class, as a text or an integer",
            found=f"the number {decimal[0]}; all {len(counts)} labels are numbers, {len(decimal)} with decimals",
            fix=f"{fix}; predicting quantities (regression) is not supported yet",
        )
    )


def _refuse_several(rows: Sequence[Row], counts: Counter[str], column: str) -> None:
    """Most labels are put together of other labels: the column holds several for each row."""
    together = [label for label in counts if _is_list_of(label, counts)]
    if len(together) < 2 or 2 * len(together) < len(counts):
        return
    first = next(row for row in rows if row.fields["label"] in together)
    share = sum(counts[label] for label in together)
    raise DataError(
        Problem(
            where=f"{first.where}, column {column}",
            expected="one label for each row",
            found=f"several, {excerpt(first.fields['label'])}, as in {share} of {len(rows)} rows",
            fix="keep one label in each row; rows with several labels (multi-label) are not supported yet",
        )
    )


def _is_list_of(label: str, labels: Counter[str]) -> bool:
    parts = _BETWEEN_LABELS.split(label)
    return len(parts) > 1 and all(part in labels for part in parts)


def _refuse_single(rows: Sequence[Row], counts: Counter[str]) -> None:
    single = [row for row in rows if counts[row.fields["label"]] == 1]
    problems = [
        Problem(
            where=row.where,
            expected="at least two rows for each label, one to learn from and one to check with",
            found=f"the label {excerpt(row.fields['label'])}, which no other row has",
            fix="correct the label if it is a slip, add rows with it, or remove the row",
        )
        for row in single
    ]
    if problems:
        raise DataError(*problems)
