"""Rows that are unfit by themselves: without a text (dropped from training and counted), or with an unknown label.

What makes a whole label column unfit is in `labelling`, what is only worth knowing in `audit`. This module does not
read files and moves no row between splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from affina.data.rows import Row, is_blank
from affina.data.table import MOST_EXAMPLES, excerpt
from affina.errors import DataError, Problem
from affina.record.payloads import Finding

LabelsOf = Callable[[str], tuple[str, ...]]


def drop_empty_texts(rows: Sequence[Row], *, file: str, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    """The rows that have a text, and a second one where there are pairs; the others are counted.

    Raises:
        DataError: no row is left.
    """
    kept = tuple(row for row in rows if _has_text(row))
    dropped = [row.where for row in rows if not _has_text(row)]
    if not kept:
        refuse_no_rows(file, of=len(rows))
    if not dropped:
        return kept, ()
    return kept, (found_empty(len(dropped), dropped, split=split),)


def refuse_no_rows(file: str, *, of: int) -> NoReturn:
    """Stop at files of so many rows of which none has a text.

    Raises:
        DataError: naming the files.
    """
    found = f"{of:,} row{'s' * (of != 1)}, and no text in any of them"
    fix = "check that data.text names the column with the texts"
    raise DataError(Problem(where=file, expected="at least one row with a text", found=found, fix=fix))


def name_in(name: str, split: str) -> str:
    """A finding's name, which says the split where that is not train."""
    return name if split == "train" else f"{name}_in_{split}"


def noticed(name: str, places: Sequence[str], *, split: str, meaning: str, advice: str) -> tuple[Finding, ...]:
    """What is noticed of some rows of a split; nothing where there are none.

    Args:
        name: the finding's, as of train.
        places: the rows' addresses.
        split: which rows these are.
        meaning: what it means.
        advice: what to do about it.
    """
    if not places:
        return ()
    examples = tuple(places[:MOST_EXAMPLES])
    finding = Finding(name=name_in(name, split), count=len(places), meaning=meaning, advice=advice, examples=examples)
    return (finding,)


def found_empty(count: int, places: Sequence[str], *, split: str) -> Finding:
    """Rows without a text, which are left out.

    Args:
        count: how many.
        places: the addresses of the first of them.
        split: the split whose file they stand in.
    """
    return Finding(
        name=name_in("empty_texts", split),
        count=count,
        meaning="these rows have no text and were left out",
        advice="give them a text if they should count",
        examples=tuple(places[:MOST_EXAMPLES]),
    )


def found_blank(file: str, blank: int, places: Sequence[str], *, split: str) -> tuple[Finding, ...]:
    """Wholly blank rows, which the reader leaves out.

    Args:
        file: what the split's files are called.
        blank: how many.
        places: the addresses of those that have the form of a row.
        split: the split.
    """
    if not blank:
        return ()
    meaning = "wholly blank rows, which were left out"
    return (
        Finding(
            name=name_in("blank_rows", split),
            count=blank,
            meaning=meaning,
            advice="there is nothing to do",
            examples=tuple(places[:MOST_EXAMPLES]) or (file,),
        ),
    )


def _has_text(row: Row) -> bool:
    return not any(is_blank(text) for text in row.texts)


def check_known_labels(
    rows: Sequence[Row], *, known: Iterable[str], train: str, labels_of: LabelsOf = lambda cell: (cell,)
) -> None:
    """Stop where a validation or test row has a label that no training row has.

    Args:
        rows: of the split.
        known: the training rows' labels.
        train: what the training rows are called.
        labels_of: the labels that the field `label` stands for.

    Raises:
        DataError: one problem for each such label.
    """
    allowed = frozenset(known)
    unseen: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for label in labels_of(row.fields["label"]):
            if label not in allowed:
                unseen[label].append(row)
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


def _addresses(rows: Sequence[Row]) -> str:
    """The first row's address, and how many more there are."""
    more = len(rows) - 1
    return rows[0].where + (f" and {more} more row{'s' * (more > 1)}" if more else "")
