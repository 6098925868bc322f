"""Which column holds the text, the second text, the label and the group.

A column is what the recipe names, else the one with a well-known name (`names`), else the only one that is left. Where
two would do, the user is asked instead of guessed for. Making rows of the columns is `reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.column_problems import (
    MEANINGS,
    distinct_values,
    free_columns,
    missing_column,
    unclear_columns,
    unnamed_column,
)
from affina.data.names import known_columns, known_pair, known_partner
from affina.data.table import Table, excerpt
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.values import Resolved

NAMED: Final = "named in the recipe"


def find_columns(table: Table, spec: DataSpec) -> dict[str, Resolved[str]]:
    """Role (text, text_pair, label, group) to the column that holds it and why; no pair, no group: no entry.

    Raises:
        DataError: a named column is not there, has no name of its own, or several columns could be meant.
        RecipeError: one column is named for two roles.
    """
    pair = None if spec.text_pair == "none" else spec.text_pair
    one, several = (None, spec.label) if isinstance(spec.label, tuple) else (spec.label, ())
    asked = {"text": spec.text, "text_pair": pair, "label": one, "group": spec.group}
    asked |= {f"label {name}": name for name in several}
    found = named_columns(table, {role: name for role, name in asked.items() if name is not None and name != AUTO})
    if spec.text_pair == AUTO:
        _add_pair(found, table)
    needed = ("text",) if several else ("text", "label")
    for role in needed:
        _add_known(found, table, role)
    _add_remaining(found, table, needed)
    missing = [role for role in needed if role not in found]
    if missing:
        raise DataError(unclear_columns(table, missing, found))
    return {role: found[role] for role in (*MEANINGS, *(f"label {name}" for name in several)) if role in found}


def named_columns(table: Table, asked: Mapping[str, str]) -> dict[str, Resolved[str]]:
    """Role to the column that the recipe names for it.

    Raises:
        DataError: a named column is not there, or has no name of its own.
        RecipeError: one column is named for two roles.
    """
    problems = [
        missing_column(table, f"data.{role}", name) for role, name in asked.items() if name not in table.columns
    ]
    problems += [
        unnamed_column(table, f"data.{role}") for role, name in asked.items() if name == "" and "" in table.columns
    ]
    if problems:
        raise DataError(*problems)
    found = {role: Resolved(name, NAMED) for role, name in asked.items()}
    fields = {role: column.value for role, column in found.items() if role != "group"}
    for role, name in fields.items():
        others = [other for other in fields if other != role and fields[other] == name]
        if others:
            _refuse_shared(role, others[0], name)
    return found


def _refuse_shared(role: str, other: str, name: str) -> None:
    raise RecipeError(
        Problem(
            where=f"data.{role}, data.{other}",
            expected="a column for each",
            found=f"the column {name} for both",
            fix=f"name another column for one of them, or leave data.{other} out",
        )
    )


def _add_pair(found: dict[str, Resolved[str]], table: Table) -> None:
    if "text" in found:
        partner = known_partner(found["text"].value, free_columns(found, table))
        pair = None if partner is None else (found["text"].value, partner)
    else:
        pair = known_pair(free_columns(found, table))
    if pair is not None:
        reason = f"{pair[0]} and {pair[1]} are well-known names for a pair of texts"
        found.setdefault("text", Resolved(pair[0], reason))
        found["text_pair"] = Resolved(pair[1], reason)


def _add_known(found: dict[str, Resolved[str]], table: Table, role: str) -> None:
    tiers = known_columns(role, free_columns(found, table))
    if role in found or not tiers or len(tiers[0]) > 1:
        return
    later = [name for tier in tiers[1:] for name in tier]
    reason = f"a well-known name for {MEANINGS[role]}" + (f", before {', '.join(later)}" if later else "")
    found[role] = Resolved(tiers[0][0], reason)


def _add_remaining(found: dict[str, Resolved[str]], table: Table, needed: Sequence[str]) -> None:
    """What no name tells: the only column left, or of the only two the one with few distinct values as the label."""
    free = free_columns(found, table)
    missing = [role for role in needed if role not in found]
    if not missing or len(free) != len(missing):
        return
    free.sort(key=lambda name: -distinct_values(table, name))
    left = dict(zip(missing, free, strict=True))
    if "label" in left:
        text = left["text"] if "text" in left else found["text"].value
        if 2 * distinct_values(table, left["label"]) > distinct_values(table, text):
            return
        _refuse_lost_header(table, left["label"])
    for role, name in left.items():
        reason = f"the only column left for {MEANINGS[role]}"
        if len(left) == 2:
            reason = f"of the two columns, the one with {'more' if role == 'text' else 'fewer'} distinct values"
        found[role] = Resolved(name, reason)


def _refuse_lost_header(table: Table, label: str) -> None:
    """A header that is itself a row of data would otherwise be lost without a word."""
    if label in table.column(label):
        raise DataError(
            Problem(
                where=f"{table.file}, header",
                expected="a first line with the names of the columns, such as text,label",
                found=f"{excerpt(', '.join(table.columns))}, and {excerpt(label)} is also a value of that column",
                fix="add a header line, such as text,label, above the first row",
            )
        )
