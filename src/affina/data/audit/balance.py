"""How the labels are spread over the rows, and labels that are likely slips of one another.

What makes a label column unfit to learn from is an error, in `data/labelling`.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from affina.data.checks import LabelsOf
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES, excerpt
from affina.record.payloads import Finding

UNEVEN: Final = 10
"""With more rows of the most frequent label for each row of the rarest than this, the labels are called uneven."""
FEW: Final = 10
"""Rows of a label below which hardly anything of it can be learnt, or measured."""


def find_imbalance(counts: Mapping[str, int], *, rows: int, hides: str) -> tuple[Finding, ...]:
    """Labels that are much rarer than the most frequent one.

    Args:
        counts: label to its number of rows.
        rows: how many rows there are, with any labels.
        hides: the metric that hardly shows rare labels.
    """
    most = max(counts, key=lambda label: counts[label])
    rare = sorted((label for label in counts if UNEVEN * counts[label] < counts[most]), key=lambda label: counts[label])
    if not rare:
        return ()
    few = sum(counts[label] < FEW for label in rare)
    meaning = (
        f"labels with less than a tenth of the rows of the most frequent one, {excerpt(most)} ({counts[most]:,} rows,"
        f" {counts[most] / rows:.0%})"
        + (f"; {few} of them have fewer than {FEW} rows" if few else "")
        + f"; {hides} hardly shows them"
    )
    advice = "add rows of them, or write evaluate.metric=macro_f1 task.class_weights=balanced so that they count"
    examples = tuple(f"{excerpt(label)}: {counts[label]:,} rows" for label in rare[:MOST_EXAMPLES])
    return (Finding(name="rare_labels", count=len(rare), meaning=meaning, advice=advice, examples=examples),)


def find_absent_labels(
    rows: Sequence[Row], labels: Iterable[str], *, split: str, labels_of: LabelsOf
) -> tuple[Finding, ...]:
    """Labels that no row of a validation or test split has; a split without any rows measures nothing, and says so.

    Args:
        rows: of the split, held out or from a file of its own.
        labels: all that training has.
        split: its name.
        labels_of: the labels that the field `label` stands for.
    """
    present = {label for row in rows for label in labels_of(row.fields["label"])}
    absent = [label for label in labels if label not in present]
    if not rows or not absent:
        return ()
    meaning = (
        f"labels without a {split} row: the {split} figures say nothing of them, and macro-F1 leaves them out, or"
        f" counts them as 0 where the model predicts them"
    )
    finding = Finding(
        name=f"labels_absent_in_{split}",
        count=len(absent),
        meaning=meaning,
        advice=f"add {split} rows that have them",
        examples=tuple(excerpt(label) for label in absent[:MOST_EXAMPLES]),
    )
    return (finding,)


def find_similar_labels(counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """Labels that differ only in case, blanks or a letter's encoding: separate classes, likely by a slip."""
    return find_similar(
        counts, name="similar_labels", meaning="labels that differ only in case or blanks; each is a class of its own"
    )


def find_similar(counts: Mapping[str, int], *, name: str, meaning: str) -> tuple[Finding, ...]:
    """The same of other values that stand for themselves.

    Args:
        counts: value to its number of rows.
        name: of the finding.
        meaning: of the finding.
    """
    by_look: dict[str, list[str]] = defaultdict(list)
    for value in counts:
        by_look["".join(unicodedata.normalize("NFKC", value).split()).casefold()].append(value)
    alike = [sorted(values, key=lambda value: (-counts[value], value)) for values in by_look.values() if values[1:]]
    if not alike:
        return ()
    examples = [" / ".join(f"{value!r} ({counts[value]} rows)" for value in values) for values in alike]
    finding = Finding(
        name=name,
        count=sum(len(values) for values in alike),
        meaning=meaning,
        advice="write them the same if they are one",
        examples=tuple(examples[:MOST_EXAMPLES]),
    )
    return (finding,)
