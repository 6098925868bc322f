"""The data stage: from the recipe's `data` part to rows in splits, with everything that was decided and noticed.

It puts the steps of this package in order and holds no rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affina.data.audit.looks import file_checks, look_at_files, look_at_splits
from affina.data.audit.scan import Scan, ScannedRows, scan
from affina.data.canaries import own_count
from affina.data.dropping import drop_repeated, drop_shared
from affina.data.gathering import HELD_OUT, Files, files_of, mixed
from affina.data.labelling.base import Labelling, count_labels
from affina.data.labelling.guess import Asked
from affina.data.meaning import label_column, or_else
from affina.data.mixing import Weight, weight_choices
from affina.data.row_arrays import Rows
from affina.data.rows import Row, Splits
from affina.data.shares import divide
from affina.data.taking import Taken, is_large, take_at_once, take_in_parts
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.record.audited import Check, Lengths
from affina.record.payloads import DataRead, Finding
from affina.values import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The rows as they are trained on, and how they came about.

    Attributes:
        splits: the rows; a test that was switched off is empty.
        labelling: how answers are read; of a task whose answers are texts a `Written`, whose `spec` is the task.
        labels: in the order of the model's outputs: numbers by value, texts by letter; none where texts are written.
        columns: role to the column that holds it; roles are the keys under `data` that name columns.
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
    weights: Mapping[str, Weight]


def load(
    spec: DataSpec, *, seed: int, task: Asked = AUTO, files: Files | None = None, people: str | None = None
) -> Loaded:
    """Read, check and split the rows.

    Args:
        spec: the recipe's `data`.
        seed: decides which rows are held out.
        task: the recipe's `task`; where it is open, the label column of the first training file tells.
        files: what `spec` names, where that was found before.
        people: the recipe's `risks.bias.group`.

    Raises:
        RecipeError: no training file is named, or keys contradict each other.
        DataError: a file, its columns or its rows cannot be used; nothing was written.
    """
    files = files_of(spec) if files is None else files
    large = is_large(files)
    taken: Taken[Any]
    if large:
        taken = take_in_parts(spec, task, files, lambda _: Rows(), people=people)
    else:
        taken = take_at_once(spec, task, files, people=people)
    meaning, scans = taken.meaning, taken.scans
    labelling, columns = meaning.labelling, meaning.columns
    given: dict[str, Sequence[Row]] = dict(taken.rows)
    findings = taken.findings + _drop(spec, given, scans)
    rows, column = given["train"], label_column(columns)
    held_out = [name for name in HELD_OUT if name in given]
    with or_else(meaning, rows):
        read = {name: ScannedRows(one) for name, one in scans.items()} if large and not labelling.writes else given
        labels = checked(read, labelling, column=column, train=scans["train"].file)
    findings += look_at_files(tuple(scans.values()), given, labelling)
    made, chosen = divide(rows, _asked(spec, held_out), labelling, seed=seed)
    held = {"train": rows, "validation": (), "test": (), **given, **made}
    near, check, lengths = look_at_splits(held, _looked_for(labelling, labels), labelling, seed=seed)
    return Loaded(
        splits=Splits(**held),
        labelling=labelling,
        labels=labels,
        columns=columns,
        files=taken.files,
        findings=findings + near,
        checks=(*file_checks(tuple(scans.values())), check),
        lengths=lengths,
        choices={
            **meaning.choices,
            **chosen,
            **weight_choices(mixed(spec), files.entries, held["train"]),
        },
        weights=files.weights,
    )


def checked(given: Mapping[str, Sequence[Row]], labelling: Labelling, *, column: str, train: str) -> tuple[str, ...]:
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


def _looked_for(labelling: Labelling, names: Sequence[str]) -> Sequence[str]:
    """The labels that every split should have; numbers have none."""
    return () if labelling.name == "regression" else names


def data_read(loaded: Loaded, *, rows: Mapping[str, Sequence[Row]] | None = None) -> DataRead:
    """What the run records of its data.

    Args:
        loaded: the data stage's result.
        rows: split to the rows that the run uses, where later stages dropped some.
    """
    used = loaded.splits.by_name if rows is None else rows
    counts = count_labels(loaded.labelling, Counter(row.fields["label"] for row in used["train"]))
    spread = loaded.labelling.spread(used["train"])
    return DataRead(
        files=loaded.files,
        columns=loaded.columns,
        rows={name: own_count(part) for name, part in used.items()},
        labels={label: counts.get(label, len(used["train"]) if spread else 0) for label in loaded.labels},
        findings=loaded.findings,
        task=loaded.labelling.name,
        spread=spread,
    )


def _asked(spec: DataSpec, held_out: Sequence[str]) -> DataSpec:
    """The recipe's part where splits that were found beside the training files are as if they had been named."""
    return spec.model_copy(update={name: "none" for name in held_out if getattr(spec, name) == AUTO})


def _drop(spec: DataSpec, given: dict[str, Sequence[Row]], scans: dict[str, Scan]) -> tuple[Finding, ...]:
    """Leave out the training rows that the recipe asks to, in both arguments."""
    findings: tuple[Finding, ...] = ()
    if spec.drop_duplicates:
        given["train"], findings = drop_repeated(given["train"], scans["train"])
        scans["train"] = _scanned_again(given["train"], scans["train"])
    if spec.drop_shared:
        held_out = [scans[name] for name in HELD_OUT if name in scans]
        given["train"], dropped = drop_shared(given["train"], scans["train"], held_out)
        scans["train"] = _scanned_again(given["train"], scans["train"])
        findings += dropped
    return findings


def _scanned_again(rows: Sequence[Row], before: Scan) -> Scan:
    return scan(rows, split="train", file=before.file, written=before.written)
