"""What the columns of a run's files mean: which task they are for, which column has which role, how answers are read.

It is the first thing that is decided of tables, held (`loading`) or gone over (`streaming`). It puts the steps in order
and holds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from affina.data.aligning import by_names, columns_by_file, hide_unlabelled, readings
from affina.data.column_problems import are_texts, free_columns, to_write
from affina.data.columns import NAMED, find_columns
from affina.data.gathering import HELD_OUT, Files
from affina.data.labelling.base import Labelling
from affina.data.labelling.guess import Asked, labelling_of
from affina.data.labelling.written import written
from affina.data.passages import is_running_text
from affina.data.people import ROLE, find_beside, refuse_task
from affina.data.reading import rows_of, same_columns
from affina.data.rows import Row
from affina.data.table import Table
from affina.data.written.again import written_again
from affina.data.written.columns import Columns, written_columns
from affina.data.written.guess import OF_LABELS, Guess, alternative, asked_for, guess, has_labels, other_labels
from affina.data.written.names import languages_in
from affina.data.written.problems import refuse_mixed
from affina.errors import DataError, Problem
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import WritingSpec
from affina.values import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What was decided of the columns.

    Attributes:
        columns: role to column, as the first training file calls it.
        by_file: the same of each file.
        labelling: how answers are read.
        choices: recipe key to what `auto` came to and why.
        otherwise: what to write for a reading that was not taken; empty where there is none.
    """

    columns: dict[str, str]
    by_file: dict[str, dict[str, str]]
    labelling: Labelling
    choices: dict[str, Resolved[Any]]
    otherwise: str = ""


def meaning_of(
    tables: dict[str, list[Table]], spec: DataSpec, task: Asked, files: Files, *, people: str | None = None
) -> Meaning:
    """Decide what the columns mean.

    Args:
        tables: of each split, the files or their beginnings; a split that nobody named and that has no labels is taken
            out of it.
        spec: the recipe's `data`.
        task: the recipe's `task`.
        files: tells which belong together.
        people: the recipe's `risks.bias.group`.

    Raises:
        RecipeError: keys contradict each other.
        DataError: a column is not there, or it is unclear which one is meant.
    """
    writing, found, note = find_beside(tables["train"][0], spec, people, partial(_found, task=task))
    if people is not None:
        refuse_task(people, "classification" if writing is None else writing.value.name)
        found |= {role: Resolved(people, NAMED) for role in (("group", ROLE) if people == spec.group else (ROLE,))}
    columns = {role: column.value for role, column in found.items()}
    find = by_names if writing is None else partial(written_again, task=writing.value.name)
    by_file, renamed = columns_by_file(tables["train"], found, files, find=find)
    for name in HELD_OUT:
        for table in tables.get(name, ()):
            if writing is None:
                by_file[table.file] = same_columns(table, columns)
            else:
                by_file[table.file] = find(table, columns)
                renamed |= _elsewhere(table, by_file[table.file], columns, name)
    hidden = hide_unlabelled(tables, by_file, files)
    means: Resolved[Labelling]
    if writing is None:
        means = choose_labelling(tables["train"], by_file, task)
    else:
        means = Resolved(written(writing.value, columns, unfit=spec.unfit), writing.reason)
    refuse_task(people, means.value.name)
    return Meaning(
        columns=columns,
        by_file=by_file,
        labelling=means.value,
        choices={
            **files.choices,
            **renamed,
            **readings(tables["train"], by_file),
            **_of_files(tables),
            **_column_choices(found, spec, labels=writing is None),
            "task": Resolved(means.value.name, means.reason + note),
            **means.value.choices(),
            **hidden,
        },
        otherwise=note.removeprefix("; "),
    )


def _found(table: Table, spec: DataSpec, task: Asked) -> tuple[Resolved[WritingSpec] | None, Columns, str]:
    """The task where its answers are written, the columns, and what to say of the reading that was not taken."""
    asked = asked_for(spec, task)
    if asked is not None:
        return asked, written_columns(table, spec, asked.value.name), ""
    open_task = isinstance(task, str) or task.name == AUTO
    guessed = guess(table) if open_task else None
    if not open_task and is_running_text(table.file):
        raise DataError(_no_rows(table))
    if guessed is None:
        return None, _labels(table, spec), ""
    if given := [f"data.{key}" for key in OF_LABELS if getattr(spec, key) not in (AUTO, "none")]:
        return None, find_columns(table, spec), f"; {alternative(guessed)} in the place of {' and '.join(given)}"
    try:
        found = find_columns(table, spec)
    except DataError as error:
        if other_labels(table, guessed) and len(guessed.columns) == 2:
            raise DataError(*(_or(problem, guessed) for problem in error.problems)) from None
        return _guessed(table, spec, guessed)
    if has_labels(table, found, guessed):
        return None, found, f"; {alternative(guessed)}"
    return _guessed(table, spec, guessed)


def _labels(table: Table, spec: DataSpec) -> Columns:
    try:
        return find_columns(table, spec)
    except DataError as error:
        languages = languages_in(free_columns({}, table))
        if len(languages) < 2:
            raise
        typed = f"data.source={languages[0]} data.target={languages[1]}"
        raise DataError(
            *(replace(problem, fix=f"{problem.fix}; or to learn to translate: {typed}") for problem in error.problems)
        ) from None


def _guessed(table: Table, spec: DataSpec, guessed: Guess) -> tuple[Resolved[WritingSpec], Columns, str]:
    reason = f"{guessed.reason}; if there are labels, write task=classification and data.label=COLUMN"
    if not guessed.columns:
        reason = guessed.reason
    return Resolved(guessed.spec, reason), written_columns(table, spec, guessed.spec.name), ""


@contextmanager
def or_else(meaning: Meaning, rows: Iterable[Row]) -> Iterator[None]:
    """Labels that cannot be learnt from may be answers that a model is to write: what to type then is in the fix.

    Args:
        meaning: of the columns.
        rows: of training.

    Raises:
        DataError: as it was, with the other reading.
    """
    try:
        yield
    except DataError as error:
        otherwise = meaning.otherwise or _as_texts(meaning, rows)
        if not otherwise:
            raise
        problems = [replace(problem, fix=f"{problem.fix}; or {otherwise}") for problem in error.problems]
        raise DataError(*problems) from None


def _as_texts(meaning: Meaning, rows: Iterable[Row]) -> str:
    """What to type where labels look like texts of their own; empty where they do not."""
    single = meaning.labelling.name == "classification"
    texts = single and are_texts([row.fields["label"] for row in rows])
    return to_write("COLUMN", label_column(meaning.columns)) if texts else ""


def _or(problem: Problem, guessed: Guess) -> Problem:
    return replace(problem, fix=f"{problem.fix}; {alternative(guessed)}")


def _no_rows(table: Table) -> Problem:
    return Problem(
        where=table.file,
        expected="rows with a text and a label",
        found="running text, which has neither",
        fix="write the rows as CSV with a header such as text,label; or to learn it as it is, task=generation",
    )


def _elsewhere(
    table: Table, own: Mapping[str, str], columns: Mapping[str, str], split: str
) -> dict[str, Resolved[Any]]:
    """What is said of a held-out file that has other columns than training."""
    if all(columns.get(role) == name for role, name in own.items()):
        return {}
    told = ", ".join(f"{role} {name}" for role, name in own.items())
    reason = f"{table.file} has not the columns of training; well-known names for the same"
    return {f"data.{split} (columns of {table.file})": Resolved(told, reason)}


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


def cells_of(table: Table, columns: Mapping[str, str], labelling: Labelling) -> tuple[Row, ...]:
    """The rows of a file, or of a part of it, with the cells of the given columns as they stand.

    Raises:
        DataError: a cell that is no text where one is needed, or conversations in several formats.
    """
    if labelling.writes:
        refuse_mixed(table, columns)
    return rows_of(table, columns, lists=labelling.takes_lists, task=labelling.name)


def _column_choices(found: Columns, spec: DataSpec, *, labels: bool) -> dict[str, Resolved[Any]]:
    """The columns that the recipe did not name."""
    chosen: dict[str, Resolved[Any]] = {
        f"data.{role}": column for role, column in found.items() if column.reason != NAMED
    }
    if labels and spec.text_pair == AUTO and "text_pair" not in found:
        chosen["data.text_pair"] = Resolved("none", "no two columns have well-known names for a pair of texts")
    return chosen


def _of_files(tables: Mapping[str, Sequence[Table]]) -> dict[str, Resolved[Any]]:
    """Delimiters and encodings that are not the usual ones; of each split's files the first that has one."""
    found: dict[str, Resolved[Any]] = {}
    for name, part in tables.items():
        for table in reversed(part):
            said = {"delimiter": table.delimiter, "encoding": table.encoding}
            found |= {f"data.{name} ({what})": value for what, value in said.items() if value is not None}
    return found
