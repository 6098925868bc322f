"""The data stage: from the recipe's `data` part to rows in splits, with everything that was decided and noticed.

It puts the steps of this package in order and holds no rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import Scan, scan
from affina.data.checks import check_known_labels, drop_empty_texts, found_blank
from affina.data.columns import NAMED, find_columns
from affina.data.dropping import drop_repeated, drop_shared
from affina.data.labels import check_training_labels
from affina.data.reading import rows_of, same_columns
from affina.data.rows import Row, Splits
from affina.data.shares import divide, is_file
from affina.data.sources import read_table
from affina.data.table import Table
from affina.errors import Problem, RecipeError
from affina.recipe.schema import AUTO, DataSpec
from affina.record.audited import Check, Lengths
from affina.record.payloads import DataRead, Finding
from affina.values import Resolved

_HELD_OUT: Final = ("validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The rows as they are trained on, and how they came about.

    Attributes:
        splits: the rows; a test that was switched off is empty.
        labels: in the order of the model's classes: numbers by value, texts by letter.
        columns: role (text, text_pair, label, group) to the column that holds it.
        files: each file, as the user wrote it, to the SHA-256 of its bytes.
        findings: what the user should know about the rows.
        checks: what was looked for in them.
        lengths: how long the texts of each split are, in characters and words.
        choices: recipe key to what `auto` came to and why; a delimiter that is not the suffix's own stands under the
            file's key, `data.train (delimiter)`.
    """

    splits: Splits
    labels: tuple[str, ...]
    columns: dict[str, str]
    files: dict[str, str]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    lengths: tuple[Lengths, ...]
    choices: dict[str, Resolved[Any]]


def load(spec: DataSpec, *, seed: int) -> Loaded:
    """Read, check and split the rows.

    Raises:
        RecipeError: no training file is named, or keys contradict each other.
        DataError: a file, its columns or its rows cannot be used; nothing was written.
    """
    train = _read_train(spec)
    held_out = {name: read_table(str(getattr(spec, name))) for name in _HELD_OUT if is_file(getattr(spec, name))}
    tables = {"train": train, **held_out}
    found = find_columns(train, spec)
    columns = {role: column.value for role, column in found.items()}
    given: dict[str, tuple[Row, ...]] = {}
    findings: tuple[Finding, ...] = ()
    for name, table in tables.items():
        given[name], noticed = _read_rows(table, columns, split=name)
        findings += noticed
    scans = {name: scan(part, split=name, file=tables[name].file) for name, part in given.items()}
    findings += _drop(spec, given, scans)
    rows = given["train"]
    attested = frozenset(row.fields["label"] for name in held_out for row in given[name])
    check_training_labels(rows, column=columns["label"], attested=attested)
    labels = in_order({row.fields["label"] for row in rows})
    for name in held_out:
        check_known_labels(given[name], known=labels, train=train.file)
    findings += look_at_files(tuple(scans.values()), given)
    made, chosen = divide(rows, spec, seed=seed)
    held = {"train": rows, "validation": (), "test": (), **given, **made}
    near, check, lengths = look_at_splits(held, labels, seed=seed)
    return Loaded(
        splits=Splits(**held),
        labels=labels,
        columns=columns,
        files={table.file: table.sha256 for table in tables.values()},
        findings=findings + near,
        checks=(*file_checks(tuple(scans.values())), check),
        lengths=lengths,
        choices={**_column_choices(found, spec), **chosen, **_delimiters(tables)},
    )


def data_read(loaded: Loaded, *, rows: Mapping[str, Sequence[Row]] | None = None) -> DataRead:
    """What the run records of its data.

    Args:
        loaded: the data stage's result.
        rows: split to the rows that the run uses, where later stages dropped some.
    """
    loaded_rows = {name: getattr(loaded.splits, name) for name in ("train", *_HELD_OUT)}
    used = loaded_rows if rows is None else rows
    counts = Counter(row.fields["label"] for row in used["train"])
    return DataRead(
        files=loaded.files,
        columns=loaded.columns,
        rows={name: len(part) for name, part in used.items()},
        labels={label: counts[label] for label in loaded.labels},
        findings=loaded.findings,
    )


def _read_train(spec: DataSpec) -> Table:
    if spec.train is None:
        raise RecipeError(
            Problem(
                where="data.train",
                expected="the training file: CSV, TSV, JSON or JSONL",
                found="nothing",
                fix="name the training file: data.train=FILE",
            )
        )
    return read_table(spec.train)


def _read_rows(table: Table, columns: Mapping[str, str], *, split: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    """The rows of a file that have a text, by the training file's columns."""
    own = columns if split == "train" else same_columns(table, columns)
    rows, findings = drop_empty_texts(rows_of(table, own), file=table.file, split=split)
    return rows, findings + found_blank(table.file, table.blank, split=split)


def _drop(spec: DataSpec, given: dict[str, tuple[Row, ...]], scans: dict[str, Scan]) -> tuple[Finding, ...]:
    """Leave out the training rows that the recipe asks to, in both arguments."""
    findings: tuple[Finding, ...] = ()
    if spec.drop_duplicates:
        given["train"], findings = drop_repeated(given["train"], scans["train"])
        scans["train"] = scan(given["train"], split="train", file=scans["train"].file)
    if spec.drop_shared:
        held_out = [scans[name] for name in _HELD_OUT if name in scans]
        given["train"], dropped = drop_shared(given["train"], scans["train"], held_out)
        scans["train"] = scan(given["train"], split="train", file=scans["train"].file)
        findings += dropped
    return findings


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of the model's classes: integers by value, if all are; else by letter."""
    try:
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    except ValueError:
        return tuple(sorted(labels))


def _column_choices(found: Mapping[str, Resolved[str]], spec: DataSpec) -> dict[str, Resolved[Any]]:
    """The columns that the recipe did not name."""
    chosen: dict[str, Resolved[Any]] = {
        f"data.{role}": column for role, column in found.items() if column.reason != NAMED
    }
    if spec.text_pair == AUTO and "text_pair" not in found:
        chosen["data.text_pair"] = Resolved("none", "no two columns have well-known names for a pair of texts")
    return chosen


def _delimiters(tables: Mapping[str, Table]) -> dict[str, Resolved[Any]]:
    return {
        f"data.{name} (delimiter)": table.delimiter for name, table in tables.items() if table.delimiter is not None
    }
