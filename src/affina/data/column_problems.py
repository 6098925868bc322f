"""What a table offers for the roles, and what the user is told where its columns leave them unclear.

Deciding is `columns`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.names import known_columns
from affina.data.table import Table, excerpt
from affina.errors import Problem
from affina.values import Resolved

MEANINGS: Final = {
    "text": "the text",
    "text_pair": "the second text",
    "label": "the label",
    "messages": "the conversations",
    "prompt": "the prompt",
    "completion": "the completion",
    "system": "what the assistant is told",
    "context": "the context",
    "source": "the source",
    "target": "the target",
    "group": "the group",
    "people": "the groups of people",
}
_MOST_SHOWN: Final = 12
MOSTLY: Final = 0.8
"""Of a column's cells that are different, and have words enough, for it to hold texts and no labels."""
WORDS: Final = 3
"""Of a cell that is a text: labels are a word or two."""


def meaning(role: str) -> str:
    """What a role is called in a sentence; `label NAME` is one of several columns of labels."""
    return MEANINGS.get(role, f"the {role}")


def free_columns(found: Mapping[str, Resolved[str]], table: Table) -> list[str]:
    """The columns that have a name and no role yet, and that can be read."""
    taken = {column.value for column in found.values()}
    return [name for name in table.columns if name and name not in taken and name not in table.unread]


def distinct_values(table: Table, name: str) -> int:
    """How many different cells the column has."""
    return len(set(table.column(name)))


def missing_column(table: Table, key: str, name: str) -> Problem:
    """A column that the recipe names under `key` and the table lacks, with the most similar one that it has."""
    named = [column for column in table.columns if column]
    by_lower = {column.lower(): column for column in named}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    fix = f"did you mean {key}={by_lower[close[0]]}?" if close else f"set {key} to one of the columns"
    return Problem(where=key, expected=f"a column of {table.file}: {', '.join(named)}", found=name, fix=fix)


def unnamed_column(table: Table, where: str) -> Problem:
    """A column that is needed and that the header gives no name, so that nobody can ask for it."""
    return Problem(
        where=f"{table.file}, header ({where})",
        expected="a name for each column that is used",
        found="a column without a name",
        fix="write a name for it into the header",
    )


def are_texts(cells: Sequence[object]) -> bool:
    """Whether the cells of a column are texts of their own and no labels, which are short and come back."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    long = sum(len(text.split()) >= WORDS for text in texts)
    return len(texts) > 1 and min(long, len(set(texts))) >= MOSTLY * len(texts)


def to_write(asked: str, answer: str) -> str:
    """What to type where a column is to be written and holds no labels."""
    return (
        f"to learn to write {answer}: task=chat data.prompt={asked} data.completion={answer} "
        "(task=generation where these are no answers)"
    )


def unclear_columns(table: Table, missing: list[str], found: Mapping[str, Resolved[str]]) -> Problem:
    """Several columns could have a role, or none is known to: what there is, and what to type."""
    candidates = {role: _candidates(table, role, found) for role in missing}
    meanings = " and ".join(MEANINGS[role] for role in missing)
    lacking = len(free_columns(found, table)) < len(missing)
    if lacking and "" in table.columns:
        return unnamed_column(table, f"needed for {meanings}")
    if lacking:
        fix = f"add a column with {meanings}" if table.columns[1:] else "check how the fields are divided"
        return Problem(where=table.file, expected=f"a column for {meanings}", found=shown_columns(table), fix=fix)
    first = {role: names[0] for role, names in candidates.items()}
    if len(missing) == 2 and first["label"] == first["text"]:
        first["label"] = next(name for name in free_columns(found, table) if name != first["text"])
    given = {**{role: column.value for role, column in found.items()}, **first}
    pair = sorted((given[role] for role in ("text", "label") if role in given), key=table.columns.index)
    written = ""
    if len(pair) == 2 and all(are_texts(table.column(name)) for name in pair):
        written = f"{to_write(*pair)}; if there are labels, "
    typed = [
        f"data.{role}={first[role] if role in first else found[role].value}"
        for role in ("text", "label")
        if role in {**first, **found}
    ]
    fix = f"{written}name the column, for example: {' '.join(typed)}"
    texts = known_columns("text", candidates.get("text", ()))
    if texts and len(texts[0]) == 2:
        fix += f", or for a pair of texts: data.text={texts[0][0]} data.text_pair={texts[0][1]}"
    elif len(missing) == 1 and len(candidates[missing[0]]) > 1:
        fix += " (or " + ", ".join(f"data.{missing[0]}={name}" for name in candidates[missing[0]][1:4]) + ")"
    marks = [name for name in candidates.get("label", ()) if _is_zero_or_one(table, name)]
    if len(marks) > 1:
        fix += f", or where each label has a column of 0 and 1: 'data.label=[{', '.join(marks)}]'"
    return Problem(where=table.file, expected=f"a clear column for {meanings}", found=shown_columns(table), fix=fix)


def _is_zero_or_one(table: Table, name: str) -> bool:
    return {cell.strip() for cell in table.column(name) if isinstance(cell, str)} == {"0", "1"}


def _candidates(table: Table, role: str, found: Mapping[str, Resolved[str]]) -> list[str]:
    """The columns that could have the role, the likeliest first: well-known names, else by their distinct values."""
    free = free_columns(found, table)
    tiers = known_columns(role, free)
    if tiers:
        return tiers[0]
    if role == "text":
        return sorted(free, key=lambda name: -sum(len(cell) for cell in table.column(name) if isinstance(cell, str)))
    return sorted(free, key=lambda name: (distinct_values(table, name) < 2, distinct_values(table, name)))


def shown_columns(table: Table) -> str:
    """Each column with its first value."""
    parts = []
    for place, name in enumerate(table.columns[:_MOST_SHOWN]):
        cells = (row[place] for row in table.rows)
        value = next((cell for cell in cells if not isinstance(cell, str) or cell.strip()), "")
        parts.append(f"{name or '(no name)'} ({excerpt(value, 30) if isinstance(value, str) else value.found})")
    hidden = len(table.columns) - len(parts)
    return "the columns " + ", ".join(parts) + (f" and {hidden} more" if hidden else "")
