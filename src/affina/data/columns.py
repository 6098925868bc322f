"""Which column holds the text, the second text, the label and the group.

A column is what the recipe names, else the one with a well-known name (`names`), else the only one that is left. Where
two would do, the user is asked instead of guessed for. Making rows of the columns is `reading`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from affina.data.names import known_columns, known_pair, known_partner
from affina.data.table import Table, excerpt
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.schema import AUTO, DataSpec
from affina.values import Resolved

MEANINGS: Final = {"text": "the text", "text_pair": "the second text", "label": "the label", "group": "the group"}
NAMED: Final = "named in the recipe"
_MOST_SHOWN: Final = 12


def find_columns(table: Table, spec: DataSpec) -> dict[str, Resolved[str]]:
    """Role (text, text_pair, label, group) to the column that holds it and why; no pair, no group: no entry.

    Raises:
        DataError: a named column is not there, has no name of its own, or several columns could be meant.
        RecipeError: one column is named for two roles.
    """
    pair = None if spec.text_pair == "none" else spec.text_pair
    asked = {"text": spec.text, "text_pair": pair, "label": spec.label, "group": spec.group}
    found = _named(table, {role: name for role, name in asked.items() if name is not None and name != AUTO})
    if spec.text_pair == AUTO:
        _add_pair(found, table)
    for role in ("text", "label"):
        _add_known(found, table, role)
    _add_remaining(found, table)
    missing = [role for role in ("text", "label") if role not in found]
    if missing:
        raise DataError(_unclear(table, missing, found))
    return {role: found[role] for role in MEANINGS if role in found}


def _named(table: Table, asked: Mapping[str, str]) -> dict[str, Resolved[str]]:
    problems = [_missing(table, f"data.{role}", name) for role, name in asked.items() if name not in table.columns]
    problems += [_unnamed(table, f"data.{role}") for role, name in asked.items() if name == "" and "" in table.columns]
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


def _free(found: Mapping[str, Resolved[str]], table: Table) -> list[str]:
    """The columns that have a name and no role yet."""
    taken = {column.value for column in found.values()}
    return [name for name in table.columns if name and name not in taken]


def _add_pair(found: dict[str, Resolved[str]], table: Table) -> None:
    if "text" in found:
        partner = known_partner(found["text"].value, _free(found, table))
        pair = None if partner is None else (found["text"].value, partner)
    else:
        pair = known_pair(_free(found, table))
    if pair is not None:
        reason = f"{pair[0]} and {pair[1]} are well-known names for a pair of texts"
        found.setdefault("text", Resolved(pair[0], reason))
        found["text_pair"] = Resolved(pair[1], reason)


def _add_known(found: dict[str, Resolved[str]], table: Table, role: str) -> None:
    tiers = known_columns(role, _free(found, table))
    if role in found or not tiers or len(tiers[0]) > 1:
        return
    later = [name for tier in tiers[1:] for name in tier]
    reason = f"a well-known name for {MEANINGS[role]}" + (f", before {', '.join(later)}" if later else "")
    found[role] = Resolved(tiers[0][0], reason)


def _add_remaining(found: dict[str, Resolved[str]], table: Table) -> None:
    """What no name tells: the only column left, or of the only two the one with few distinct values as the label."""
    free = _free(found, table)
    missing = [role for role in ("text", "label") if role not in found]
    if not missing or len(free) != len(missing):
        return
    free.sort(key=lambda name: -_distinct(table, name))
    left = dict(zip(missing, free, strict=True))
    if "label" in left:
        text = left["text"] if "text" in left else found["text"].value
        if 2 * _distinct(table, left["label"]) > _distinct(table, text):
            return
        _refuse_lost_header(table, left["label"])
    for role, name in left.items():
        reason = f"the only column left for {MEANINGS[role]}"
        if len(left) == 2:
            reason = f"of the two columns, the one with {'more' if role == 'text' else 'fewer'} distinct values"
        found[role] = Resolved(name, reason)


def _distinct(table: Table, name: str) -> int:
    return len(set(table.column(name)))


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


def _missing(table: Table, key: str, name: str) -> Problem:
    named = [column for column in table.columns if column]
    by_lower = {column.lower(): column for column in named}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    fix = f"did you mean {key}={by_lower[close[0]]}?" if close else f"set {key} to one of the columns"
    return Problem(where=key, expected=f"a column of {table.file}: {', '.join(named)}", found=name, fix=fix)


def _unnamed(table: Table, where: str) -> Problem:
    return Problem(
        where=f"{table.file}, header ({where})",
        expected="a name for each column that is used",
        found="a column without a name",
        fix="write a name for it into the header",
    )


def _unclear(table: Table, missing: list[str], found: Mapping[str, Resolved[str]]) -> Problem:
    """Several columns could have a role, or none is known to: what there is, and what to type."""
    candidates = {role: _candidates(table, role, found) for role in missing}
    meanings = " and ".join(MEANINGS[role] for role in missing)
    lacking = len(_free(found, table)) < len(missing)
    if lacking and "" in table.columns:
        return _unnamed(table, f"needed for {meanings}")
    if lacking:
        fix = f"add a column with {meanings}" if table.columns[1:] else "check how the fields are divided"
        return Problem(where=table.file, expected=f"a column for {meanings}", found=_shown(table), fix=fix)
    first = {role: names[0] for role, names in candidates.items()}
    if len(missing) == 2 and first["label"] == first["text"]:
        first["label"] = next(name for name in _free(found, table) if name != first["text"])
    typed = [f"data.{role}={first[role] if role in first else found[role].value}" for role in ("text", "label")]
    fix = f"name the column, for example: {' '.join(typed)}"
    texts = known_columns("text", candidates.get("text", ()))
    if texts and len(texts[0]) == 2:
        fix += f", or for a pair of texts: data.text={texts[0][0]} data.text_pair={texts[0][1]}"
    elif len(missing) == 1 and len(candidates[missing[0]]) > 1:
        fix += " (or " + ", ".join(f"data.{missing[0]}={name}" for name in candidates[missing[0]][1:4]) + ")"
    return Problem(where=table.file, expected=f"a clear column for {meanings}", found=_shown(table), fix=fix)


def _candidates(table: Table, role: str, found: Mapping[str, Resolved[str]]) -> list[str]:
    """The columns that could have the role, the likeliest first: well-known names, else by their distinct values."""
    free = _free(found, table)
    tiers = known_columns(role, free)
    if tiers:
        return tiers[0]
    if role == "text":
        return sorted(free, key=lambda name: -sum(len(cell) for cell in table.column(name) if isinstance(cell, str)))
    return sorted(free, key=lambda name: (_distinct(table, name) < 2, _distinct(table, name)))


def _shown(table: Table) -> str:
    """Each column with its first value."""
    parts = []
    for place, name in enumerate(table.columns[:_MOST_SHOWN]):
        cells = (row[place] for row in table.rows)
        value = next((cell for cell in cells if not isinstance(cell, str) or cell.strip()), "")
        parts.append(f"{name or '(no name)'} ({excerpt(value, 30) if isinstance(value, str) else value.found})")
    hidden = len(table.columns) - len(parts)
    return "the columns " + ", ".join(parts) + (f" and {hidden} more" if hidden else "")
