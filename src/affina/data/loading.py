"""The data stage: from the recipe's `data` part to rows in splits, with everything that was decided and noticed.

It puts the steps of this package in order and holds no rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affina.data.aligning import columns_by_file, hide_unlabelled, readings
from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import Scan, scan
from affina.data.checks import drop_empty_texts, found_blank
from affina.data.columns import NAMED, find_columns
from affina.data.dropping import drop_repeated, drop_shared
from affina.data.formats import read_table
from affina.data.gathering import HELD_OUT, Files, files_of, mixed
from affina.data.labelling.base import Labelling, count_labels
from affina.data.labelling.guess import Asked, labelling_of
from affina.data.mixing import weight_choices
from affina.data.reading import rows_of, same_columns
from affina.data.rows import Row, Splits, named
from affina.data.shares import divide
from affina.data.table import Table
from affina.recipe.base import AUTO
from affina.recipe.schema import DataSpec
from affina.record.audited import Check, Lengths
from affina.record.payloads import DataRead, Finding
from affina.values import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The rows as they are trained on, and how they came about.

    Attributes:
        splits: the rows; a test that was switched off is empty.
        labelling: what the label column means.
        labels: in the order of the model's outputs: numbers by value, texts by letter.
        columns: role (text, text_pair, label, group) to the column that holds it.
        files: each file, as the user wrote it, to the SHA-256 of its bytes.
        findings: what the user should know about the rows.
        checks: what was looked for in them.
        lengths: how long the texts of each split are, in characters and words.
        choices: recipe key to what `auto` came to and why; what was chosen about the files themselves stands under
            their key with a word more, such as `data.train (delimiter)`.
        weights: training file to how often its rows are seen in an epoch.
    """

    splits: Splits
    labelling: Labelling
    labels: tuple[str, ...]
    columns: dict[str, str]
    files: dict[str, str]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    lengths: tuple[Lengths, ...]
    choices: dict[str, Resolved[Any]]
    weights: Mapping[str, float]


def load(spec: DataSpec, *, seed: int, task: Asked = AUTO, files: Files | None = None) -> Loaded:
    """Read, check and split the rows.

    Args:
        spec: the recipe's `data`.
        seed: decides which rows are held out.
        task: the recipe's `task`; where it is open, the label column of the first training file tells.
        files: what `spec` names, where that was found before.

    Raises:
        RecipeError: no training file is named, or keys contradict each other.
        DataError: a file, its columns or its rows cannot be used; nothing was written.
    """
    files = files_of(spec) if files is None else files
    tables = {split: [read_table(item) for item in items] for split, items in files.items.items()}
    found = find_columns(tables["train"][0], spec)
    columns = {role: column.value for role, column in found.items()}
    by_file, renamed = columns_by_file(tables["train"], found, files)
    by_file |= {table.file: same_columns(table, columns) for name in HELD_OUT for table in tables.get(name, ())}
    hidden = hide_unlabelled(tables, by_file, files)
    means = choose_labelling(tables["train"], by_file, task)
    labelling = means.value
    given: dict[str, tuple[Row, ...]] = {}
    findings: tuple[Finding, ...] = ()
    for name, part in tables.items():
        given[name], noticed = _read_rows(part, by_file, labelling, split=name)
        findings += noticed
    called = {name: named(table.file for table in part) for name, part in tables.items()}
    scans = {name: scan(part, split=name, file=called[name]) for name, part in given.items()}
    findings += _drop(spec, given, scans)
    rows, column = given["train"], label_column(columns)
    held_out = [name for name in HELD_OUT if name in given]
    labels = _checked(given, labelling, column=column, train=called["train"])
    findings += look_at_files(tuple(scans.values()), given, labelling)
    made, chosen = divide(rows, _asked(spec, held_out), labelling, seed=seed)
    held = {"train": rows, "validation": (), "test": (), **given, **made}
    near, check, lengths = look_at_splits(held, _looked_for(labelling, labels), labelling, seed=seed)
    stated = {**files.choices, **renamed, **readings(tables["train"], by_file), **_delimiters(tables)}
    return Loaded(
        splits=Splits(**held),
        labelling=labelling,
        labels=labels,
        columns=columns,
        files={table.file: table.sha256 for part in tables.values() for table in part},
        findings=findings + near,
        checks=(*file_checks(tuple(scans.values())), check),
        lengths=lengths,
        choices={
            **stated,
            **_column_choices(found, spec),
            **_task_choices(means),
            **chosen,
            **hidden,
            **weight_choices(mixed(spec), files.entries, held["train"]),
        },
        weights=files.weights,
    )


def _checked(given: Mapping[str, Sequence[Row]], labelling: Labelling, *, column: str, train: str) -> tuple[str, ...]:
    """The outputs' names, where the training rows can be learnt from and the other files' labels are known in them."""
    held_out = [name for name in HELD_OUT if name in given]
    attested = frozenset(
        label for name in held_out for row in given[name] for label in labelling.labels_of(row.fields["label"])
    )
    labelling.check(given["train"], column=column, attested=attested)
    labels = labelling.names(given["train"], column=column)
    for name in held_out:
        labelling.check_known(given[name], known=labels, train=train)
    return labels


def choose_labelling(
    tables: Sequence[Table], columns: Mapping[str, Mapping[str, str]], task: Asked
) -> Resolved[Labelling]:
    """What the label column, or columns, of the training files mean.

    Args:
        tables: the training files, or their beginnings.
        columns: of each file, role to column.
        task: the recipe's `task`.
    """
    several = "label" not in columns[tables[0].file]
    cells = [] if several else [cell for table in tables for cell in table.column(columns[table.file]["label"])]
    return labelling_of(cells, task, columns=several)


def label_column(columns: Mapping[str, str]) -> str:
    """The label column's name for messages; of several, all of them."""
    return ", ".join(name for role, name in columns.items() if role.startswith("label"))


def _looked_for(labelling: Labelling, names: Sequence[str]) -> Sequence[str]:
    """The labels that every split should have; numbers have none."""
    return () if labelling.name == "regression" else names


def _task_choices(means: Resolved[Labelling]) -> dict[str, Resolved[Any]]:
    return {"task": Resolved(means.value.name, means.reason), **means.value.choices()}


def data_read(loaded: Loaded, *, rows: Mapping[str, Sequence[Row]] | None = None) -> DataRead:
    """What the run records of its data.

    Args:
        loaded: the data stage's result.
        rows: split to the rows that the run uses, where later stages dropped some.
    """
    loaded_rows = {name: getattr(loaded.splits, name) for name in ("train", *HELD_OUT)}
    used = loaded_rows if rows is None else rows
    counts = count_labels(loaded.labelling, Counter(row.fields["label"] for row in used["train"]))
    spread = loaded.labelling.spread(used["train"])
    return DataRead(
        files=loaded.files,
        columns=loaded.columns,
        rows={name: len(part) for name, part in used.items()},
        labels={label: counts.get(label, len(used["train"]) if spread else 0) for label in loaded.labels},
        findings=loaded.findings,
        task=loaded.labelling.name,
        spread=spread,
    )


def _read_rows(
    tables: Sequence[Table], columns: Mapping[str, Mapping[str, str]], labelling: Labelling, *, split: str
) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    """The rows of a split's files that have a text, with their labels read."""
    called = named(table.file for table in tables)
    every = [row for table in tables for row in rows_of(table, columns[table.file], lists=labelling.takes_lists)]
    rows, findings = drop_empty_texts(every, file=called, split=split)
    rows, noticed = labelling.read(rows, split=split)
    return rows, findings + noticed + found_blank(called, sum(table.blank for table in tables), split=split)


def _asked(spec: DataSpec, held_out: Sequence[str]) -> DataSpec:
    """The recipe's part where splits that were found beside the training files are as if they had been named."""
    return spec.model_copy(update={name: "none" for name in held_out if getattr(spec, name) == AUTO})


def _drop(spec: DataSpec, given: dict[str, tuple[Row, ...]], scans: dict[str, Scan]) -> tuple[Finding, ...]:
    """Leave out the training rows that the recipe asks to, in both arguments."""
    findings: tuple[Finding, ...] = ()
    if spec.drop_duplicates:
        given["train"], findings = drop_repeated(given["train"], scans["train"])
        scans["train"] = scan(given["train"], split="train", file=scans["train"].file)
    if spec.drop_shared:
        held_out = [scans[name] for name in HELD_OUT if name in scans]
        given["train"], dropped = drop_shared(given["train"], scans["train"], held_out)
        scans["train"] = scan(given["train"], split="train", file=scans["train"].file)
        findings += dropped
    return findings


def _column_choices(found: Mapping[str, Resolved[str]], spec: DataSpec) -> dict[str, Resolved[Any]]:
    """The columns that the recipe did not name."""
    chosen: dict[str, Resolved[Any]] = {
        f"data.{role}": column for role, column in found.items() if column.reason != NAMED
    }
    if spec.text_pair == AUTO and "text_pair" not in found:
        chosen["data.text_pair"] = Resolved("none", "no two columns have well-known names for a pair of texts")
    return chosen


def _delimiters(tables: Mapping[str, Sequence[Table]]) -> dict[str, Resolved[Any]]:
    """Delimiters that are not the suffix's own; of each split's files the first that has one."""
    return {
        f"data.{name} (delimiter)": table.delimiter
        for name, part in tables.items()
        for table in reversed(part)
        if table.delimiter is not None
    }
