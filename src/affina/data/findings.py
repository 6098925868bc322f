"""What the user should know about rows that can be trained on: repeated, contradictory, shared ones, odd labels.

Texts are compared exactly, after stripping outer blanks. Nothing is changed here, and nothing raised (`checks`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from affina.data.checks import MOST_EXAMPLES
from affina.data.rows import Row
from affina.data.table import excerpt
from affina.record.payloads import Finding

TextKey = tuple[str, str]

MISSING_MARKS: Final = frozenset({"nan", "null", "<na>", "n/a", "#n/a", "nat"})


def text_key(row: Row) -> TextKey:
    """What makes two rows the same text: the text and the second text, without outer blanks."""
    return row.fields["text"].strip(), row.fields.get("text_pair", "").strip()


def find_missing_marks(rows: Sequence[Row]) -> tuple[Finding, ...]:
    """Labels and texts that other programs write for an empty cell, such as NaN and NULL."""
    places = [
        f"{row.where}: the {role} {row.fields[role]!r}"
        for row in rows
        for role in ("label", "text")
        if row.fields[role].strip().lower() in MISSING_MARKS
    ]
    if not places:
        return ()
    meaning = "these read like a missing value that another program wrote, and count as ordinary text; remove such rows"
    return (_finding("missing_marks", places, meaning),)


def find_repeats(rows: Sequence[Row], *, split: str) -> tuple[Finding, ...]:
    """Exact duplicates, and the same text with different labels, within the file of one split.

    Findings on another split than train have its name in theirs.
    """
    by_text: dict[TextKey, list[Row]] = defaultdict(list)
    for row in rows:
        by_text[text_key(row)].append(row)
    repeats: list[str] = []
    conflicts: list[tuple[int, str]] = []
    for same in by_text.values():
        first_of: dict[str, Row] = {}
        for row in same:
            first = first_of.setdefault(row.fields["label"], row)
            if first is not row:
                repeats.append(f"{row.where} repeats row {first.number}")
        if len(first_of) > 1:
            named = list(first_of.items())[:MOST_EXAMPLES]
            labels = ", ".join(f"{label} in row {row.number}" for label, row in named)
            conflicts.append((len(same), f"{same[0].where}: {labels}"))
    suffix = "" if split == "train" else f"_in_{split}"
    effect = (
        "they weigh double in training and stay in one split"
        if split == "train"
        else "they count double in the figures"
    )
    found = []
    if repeats:
        meaning = (
            f"{split} rows with the same text and label as an earlier one; {effect}, so remove them if they are slips"
        )
        found.append(_finding(f"duplicates{suffix}", repeats, meaning))
    if conflicts:
        meaning = (
            f"{split} rows with the same text and different labels; no model can get all right, so correct the labels"
        )
        examples = [example for _, example in conflicts]
        count = sum(count for count, _ in conflicts)
        found.append(_finding(f"conflicting_labels{suffix}", examples, meaning, count=count))
    return tuple(found)


def find_shared(rows: Sequence[Row], earlier: Iterable[Row], *, split: str, other: str) -> tuple[Finding, ...]:
    """Rows of one split's file whose text is also in the other's.

    Args:
        rows: of the validation or test file.
        earlier: of the file they may share texts with.
        split: the name of the split of `rows`.
        other: the name of the split of `earlier`.
    """
    by_text: dict[TextKey, Row] = {}
    for row in earlier:
        by_text.setdefault(text_key(row), row)
    shared = [f"{row.where} is {by_text[key].where}" for row in rows if (key := text_key(row)) in by_text]
    if not shared:
        return ()
    meaning = (
        f"{split} rows whose text is also in the {other} rows; they flatter the {split} figures,"
        f" so remove them from one of the files"
    )
    return (_finding(f"{split}_rows_in_{other}", shared, meaning),)


def find_shared_groups(rows: Sequence[Row], earlier: Iterable[Row], *, split: str, other: str) -> tuple[Finding, ...]:
    """Rows of one split's file whose group is also in the other's; nothing where a file has no groups.

    Args:
        rows: of the validation or test file.
        earlier: of the file they may share groups with.
        split: the name of the split of `rows`.
        other: the name of the split of `earlier`.
    """
    by_group: dict[str, Row] = {}
    for row in earlier:
        by_group.setdefault(row.fields.get("group", ""), row)
    shared: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        group = row.fields.get("group", "")
        if group and group in by_group:
            shared[group].append(row)
    if not shared:
        return ()
    examples = [f"{same[0].where}: {excerpt(group)}, as {by_group[group].where}" for group, same in shared.items()]
    meaning = (
        f"{split} rows of {len(shared)} group{'s' * (len(shared) > 1)} that the {other} rows also have; they flatter"
        f" the {split} figures, so keep each group in one file"
    )
    count = sum(len(same) for same in shared.values())
    return (_finding(f"{split}_groups_in_{other}", examples, meaning, count=count),)


def find_absent_labels(rows: Sequence[Row], labels: Iterable[str], *, split: str) -> tuple[Finding, ...]:
    """Labels that no row of a validation or test split has; a split without any rows measures nothing, and says so.

    Args:
        rows: of the split, held out or from a file of its own.
        labels: all that training has.
        split: its name.
    """
    present = {row.fields["label"] for row in rows}
    absent = [label for label in labels if label not in present]
    if not rows or not absent:
        return ()
    meaning = (
        f"labels without a {split} row: the {split} figures say nothing of them, and macro-F1 leaves them out, or"
        f" counts them as 0 where the model predicts them; add {split} rows that have them"
    )
    return (_finding(f"labels_absent_in_{split}", [excerpt(label) for label in absent], meaning),)


def find_similar_labels(rows: Iterable[Row]) -> tuple[Finding, ...]:
    """Labels that differ only in case, blanks or a letter's encoding: separate classes, likely by a slip."""
    counts = Counter(row.fields["label"] for row in rows)
    by_look: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        by_look["".join(unicodedata.normalize("NFKC", label).split()).casefold()].append(label)
    groups = [
        sorted(labels, key=lambda label: (-counts[label], label)) for labels in by_look.values() if len(labels) > 1
    ]
    if not groups:
        return ()
    examples = [" / ".join(f"{label!r} ({counts[label]} rows)" for label in labels) for labels in groups]
    meaning = (
        "labels that differ only in case or blanks; each is a class of its own, so write them the same if they are one"
    )
    return (_finding("similar_labels", examples, meaning, count=sum(len(labels) for labels in groups)),)


def find_blank(file: str, blank: int, *, split: str) -> tuple[Finding, ...]:
    """Wholly blank rows, which the reader leaves out."""
    if not blank:
        return ()
    name = "blank_rows" if split == "train" else f"blank_rows_in_{split}"
    return (_finding(name, [file], "wholly blank rows, which were left out; there is nothing to do", count=blank),)


def _finding(name: str, examples: Sequence[str], meaning: str, *, count: int | None = None) -> Finding:
    total = len(examples) if count is None else count
    return Finding(name=name, count=total, meaning=meaning, examples=tuple(examples[:MOST_EXAMPLES]))
