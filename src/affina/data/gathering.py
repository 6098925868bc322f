"""The files of a run: which files `data.train`, `data.validation` and `data.test` stand for, and their columns.

Several training files, named as a list or found in a folder, are one training set. In a list each file keeps its own
names for the columns; the files of one folder must have the same ones. Weights are `mixing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from affina.data.formats import read_table
from affina.data.hub import is_hub
from affina.data.items import Item, suffixes_of
from affina.data.mixing import Weight
from affina.data.places import Place, locate
from affina.data.reading import again, rows_of
from affina.data.rows import Row
from affina.data.shares import is_file
from affina.data.written.again import written_rows
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec, MixedFile
from affina.recipe.task_specs import WritingSpec
from affina.values import Resolved

HELD_OUT: Final = ("validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of each split.

    Attributes:
        items: split to its files; a split without files of its own is not in it.
        entries: training file to its place in the recipe's list.
        weights: training file to how often its rows are seen in an epoch.
        found: splits that nobody named, found beside the training files.
        choices: recipe key to what was chosen and why.
    """

    items: Mapping[str, tuple[Item, ...]]
    entries: Mapping[str, int]
    weights: Mapping[str, Weight]
    found: frozenset[str]
    choices: Mapping[str, Resolved[Any]]


def files_of(spec: DataSpec) -> Files:
    """Find the files that the recipe names.

    Raises:
        RecipeError: no training file is named.
        DataError: a file is not there or cannot be read, is named twice, or a folder of splits is named as one.
    """
    entries = mixed(spec)
    places = [locate(entry.file) for entry in entries]
    train = tuple(item for place in places for item in place.items)
    _refuse_twice(train)
    choices: dict[str, Resolved[Any]] = {}
    asked = {name: getattr(spec, name) for name in HELD_OUT}
    for place in places:
        key = "data.train (files)" if len(places) == 1 else f"data.train (files of {place.address})"
        used = {asked[name] if len(places) > 1 or asked[name] != AUTO else own for name, own in place.splits.items()}
        unused = [own for own in place.splits.values() if own not in used]
        if place.note is not None:
            more = f"; not used: {', '.join(unused)}" if unused else ""
            choices[key] = Resolved(place.note.value, place.note.reason + more)
    items = {"train": train}
    beside = places[0].splits if len(places) == 1 else {}
    for name, value in asked.items():
        if is_file(value):
            items[name] = one_set(locate(str(value)))
        elif value == AUTO and name in beside:
            items[name] = one_set(locate(beside[name]))
            choices[f"data.{name}"] = Resolved(beside[name], f"{places[0].address} has these {name} rows beside train")
    return Files(
        items=items,
        entries={item.name: number for number, place in enumerate(places) for item in place.items},
        weights={
            item.name: Weight(number, entry.weight)
            for number, (entry, place) in enumerate(zip(entries, places, strict=True))
            for item in place.items
        },
        found=frozenset(name for name in beside if asked[name] == AUTO),
        choices=choices,
    )


def mixed(spec: DataSpec) -> tuple[MixedFile, ...]:
    """The training files as a list, a single one too.

    Raises:
        RecipeError: none is named.
    """
    if spec.train is None:
        raise RecipeError(
            Problem(
                where="data.train",
                expected="the training file: CSV, TSV, JSON, JSONL, Parquet, TXT, a folder or a zip of such, or a list",
                found="nothing",
                fix="name the training file: data.train=FILE",
            )
        )
    entries = (spec.train,) if isinstance(spec.train, str) else spec.train
    return tuple(MixedFile(file=entry) if isinstance(entry, str) else entry for entry in entries)


def name_after(spec: DataSpec) -> str:
    """A name for what is made of the training rows: that of the first file, folder or data set, without suffixes."""
    first = mixed(spec)[0].file
    name = PurePath(first).name if not is_hub(first) else first.split("/")[3:4][0].partition(":")[0]
    packing = suffixes_of(name)[1]
    return (PurePath(name[: len(name) - len(packing)]).stem or "run") + ("-mix" if len(mixed(spec)) > 1 else "")


def one_set(place: Place) -> tuple[Item, ...]:
    """The files of a place that is one set of rows.

    Raises:
        DataError: it has splits, so that nobody knows which is meant.
    """
    if place.splits:
        names = ", ".join(("train", *place.splits))
        fix = f"name one of them, such as {next(iter(place.splits.values()))}"
        raise DataError(Problem(where=place.address, expected="one set of rows", found=f"the splits {names}", fix=fix))
    return place.items


def read_again(
    spec: DataSpec, columns: Mapping[str, str], recorded: Mapping[str, str], *, writing: WritingSpec | None = None
) -> tuple[Row, ...]:
    """The rows of the training files of a finished run; none where a file is gone or is not as it was.

    Args:
        spec: the run's.
        columns: role to column, as the run recorded.
        recorded: file to fingerprint, as the run recorded.
        writing: the run's task, where its answers are texts.
    """
    try:
        items = files_of(spec.model_copy(update={"validation": 0.1, "test": "none"})).items["train"]
        if any(item.sha256() != recorded.get(item.name) for item in items):
            return ()
        if writing is not None:
            return written_rows(items, columns, writing, unfit="drop", answered=True)
        tables = [read_table(item) for item in items]
        return tuple(row for table in tables for row in rows_of(table, again(table, columns, roles=tuple(columns))))
    except (DataError, RecipeError):
        return ()


def _refuse_twice(items: Sequence[Item]) -> None:
    seen: set[tuple[str, str]] = set()
    for item in items:
        key = (str(item.path.resolve()), item.member)
        if key in seen:
            fix = "name it once; to see its rows more often, give it a weight: {file: FILE, weight: 2}"
            raise DataError(
                Problem(
                    where=f"data.train, {item.name}", expected="each file once", found="the same file twice", fix=fix
                )
            )
        seen.add(key)
