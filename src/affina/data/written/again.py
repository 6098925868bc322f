"""The columns of a first file found again in another one, and the rows of files for a model that is already trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from affina.data.checks import found_blank
from affina.data.formats import read_table
from affina.data.items import Item
from affina.data.names import match_name
from affina.data.reading import absent_column, refuse_blank_rows, rows_of
from affina.data.rows import Row
from affina.data.table import Table
from affina.data.unfit import GIVEN, settle
from affina.data.written.columns import OPTIONAL, written_columns
from affina.data.written.composing import composed
from affina.data.written.names import ANSWER_ROLES
from affina.data.written.problems import refuse_mixed
from affina.errors import DataError
from affina.recipe.data_spec import DataSpec, Unfit
from affina.recipe.task_specs import TaskName, WritingSpec
from affina.record.payloads import Finding


def written_again(table: Table, columns: Mapping[str, str], *, task: TaskName, answered: bool = True) -> dict[str, str]:
    """Role to column in another file: by the same names, else by well-known ones, which may be of another format.

    Args:
        table: the other file.
        columns: role to column in the first.
        task: chat, generation or translation.
        answered: whether answers are needed.

    Raises:
        DataError: a column is not there, and no other one is clearly meant.
    """
    found = {role: match_name(name, table.columns) for role, name in columns.items()}
    optional = OPTIONAL if answered else OPTIONAL.union(ANSWER_ROLES)
    lacking = [role for role, name in found.items() if name is None and role not in optional]
    if not lacking:
        return {role: name for role, name in found.items() if name is not None}
    try:
        other = {role: column.value for role, column in written_columns(table, DataSpec(), task).items()}
    except DataError:
        raise DataError(*(absent_column(table, role, columns[role]) for role in lacking)) from None
    if ("text" in other) != ("text" in columns):
        raise DataError(*(absent_column(table, role, columns[role]) for role in lacking))
    return other


def written_rows(
    items: Iterable[Item],
    columns: Mapping[str, str],
    spec: WritingSpec,
    *,
    unfit: Unfit,
    answered: bool,
    notify: Callable[[str], None] = lambda _: None,
) -> tuple[Row, ...]:
    """The rows of files for a trained model, in the files' order.

    Args:
        items: the files.
        columns: role to column, as the model was trained on.
        spec: the task, as the run settled it.
        unfit: what happens to rows from which nothing can be learned, or to which nothing can be written.
        answered: whether the answers are needed; without them a conversation may end with the user, and a row has the
            label "" where it has no answer.
        notify: told of each file's unfit rows that were left out.

    Raises:
        DataError: a file cannot be read, a column cannot be found, or a row is unfit.
    """
    read: list[Row] = []
    for item in items:
        table = read_table(item)
        found = written_again(table, columns, task=spec.name, answered=answered)
        refuse_mixed(table, found, trains=False)
        blank: tuple[Finding, ...] = ()
        if answered:
            blank = found_blank(table.file, table.blank, table.blank_places, split=GIVEN)
        else:
            refuse_blank_rows(table)
        rows = rows_of(table, found, task=spec.name)
        made, findings = settle(
            rows,
            lambda row: composed(row, spec, answered=answered),
            policy=unfit,
            split=GIVEN,
        )
        read += made
        for finding in (*blank, *findings):
            notify(f"{table.file}: {finding.count:,} {finding.meaning}")
    return tuple(read)
