"""What the user is told where it is unclear what is to be written, or where rows are of mixed formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.column_problems import MEANINGS, free_columns, shown_columns
from affina.data.names import match_name
from affina.data.rows import is_blank
from affina.data.table import MOST_EXAMPLES, Cell, Table, Unusable
from affina.data.written.names import ALL_PAIRS, ANSWER_ROLES, ATTRIBUTE_ROLE, MESSAGES, languages_in, pairs_in
from affina.errors import DataError, Problem
from affina.values import Resolved

_INPUTS: Final = ("messages", "prompt", "source", "text")
_MEANT: Final = {
    "chat": "conversations (a column with lists of turns), or prompts and answers",
    "generation": "an input and an output, or a text",
    "translation": "the source and the target",
}


def unclear(table: Table, task: str, roles: Sequence[str], found: Mapping[str, Resolved[str]]) -> Problem:
    """It is unclear which columns the two roles are: what there is, and what to type."""
    free = free_columns(found, table)
    likely = [name for name in languages_in(free) if task == "translation"]
    order = [*likely, *(name for name in free if name not in likely)]
    missing = [role for role in roles if role not in found]
    given = {role: found[role].value for role in roles if role in found}
    given |= dict(zip(missing, order, strict=False))
    typed = " ".join(f"data.{role}={given[role]}" for role in roles if role in given)
    fix = f"name them, for example: {typed}" if len(order) >= len(missing) else _lacking(roles)
    if task == "chat" and not given.keys() & found.keys():
        fix += "; or for a column with lists of turns: data.messages=COLUMN"
    if task == "generation" and not given.keys() & found.keys() and order:
        fix += f"; or to learn texts as they are: data.text={order[0]}"
    return Problem(where=table.file, expected=f"clear columns for {_MEANT[task]}", found=shown_columns(table), fix=fix)


def _lacking(roles: Sequence[str]) -> str:
    return f"add a column, so that there is one for {' and one for '.join(MEANINGS[role] for role in roles)}"


def preferences(table: Table, messages: str | None) -> Problem:
    """Rows with a better and a worse answer, which are for another kind of training."""
    chosen = match_name("chosen", table.columns)
    prompt = match_name("prompt", table.columns) or "COLUMN"
    asked = f"data.messages={messages} " if messages else f"data.prompt={prompt} "
    answer = f"data.completion={chosen}"
    if chosen is not None and any(isinstance(cell, Unusable) for cell in table.column(chosen)):
        asked, answer = "", f"data.messages={chosen}"  # whole conversations
    return Problem(
        where=table.file,
        expected="one answer to each prompt",
        found=f"{shown_columns(table)}: a better and a worse answer to each, of which nothing is learned here",
        fix=f"to learn the better answers as they are, write {asked}{answer}",
    )


def refuse_mixed(table: Table, columns: Mapping[str, str], *, trains: bool = True) -> None:
    """Stop at a file in which some rows have their inputs in other columns: a conversation here, a prompt there.

    Args:
        table: the file, or a part of it.
        columns: role to column, as its rows are read.
        trains: whether it is a file of a training, which may be several.

    Raises:
        DataError: naming rows of each other format.
    """
    used = tuple(columns[role] for role in (*_INPUTS, *ANSWER_ROLES) if role in columns)
    if any(role.startswith(ATTRIBUTE_ROLE) for role in columns):
        return  # a row may lack attributes
    asked = table.columns.index(used[0])
    lacking = [place for place, cells in enumerate(table.rows) if not _is_filled(cells[asked])]
    if not lacking:
        return
    free = [name for name in table.columns if name and name not in columns.values()]
    own = _only_in(table, free, lacking)
    known = [pair for pair in pairs_in(ALL_PAIRS, table.columns) if pair != used[:2]]
    found: dict[tuple[str, ...], list[int]] = {}
    for place in lacking:
        if (other := _format(table, place, known, own)) is not None:
            found.setdefault(other, []).append(place)
    if found:
        raise DataError(_mixed(table, used, found, trains=trains))


def _only_in(table: Table, names: Sequence[str], lacking: Sequence[int]) -> list[str]:
    """The columns that other rows than these have nothing in."""
    others = set(range(len(table.rows))).difference(lacking)
    return [name for name in names if not any(_has(table, place, (name,)) for place in others)]


def _format(table: Table, place: int, known: Sequence[tuple[str, str]], own: Sequence[str]) -> tuple[str, ...] | None:
    """The columns that a row has in the place of the file's own ones; None where it has none, but is empty.

    Such are a conversation, a pair with well-known names, and else what rows of the file's own format have nothing in:
    two columns, or one with lists or objects.
    """
    for name in (match_name(known_name, table.columns) for known_name in MESSAGES):
        if name is not None and name in own and _has(table, place, (name,)):
            return (name,)
    if (pair := next((pair for pair in known if _has(table, place, pair)), None)) is not None:
        return pair
    filled = tuple(name for name in own if _has(table, place, (name,)))
    nested = [name for name in filled if isinstance(table.rows[place][table.columns.index(name)], Unusable)]
    return tuple(nested[:1]) or (filled if len(filled) > 1 else None)


def _has(table: Table, place: int, names: Sequence[str]) -> bool:
    return all(_is_filled(table.rows[place][table.columns.index(name)]) for name in names)


def _is_filled(cell: Cell) -> bool:
    return not isinstance(cell, str) or not is_blank(cell)


def _mixed(
    table: Table, used: Sequence[str], found: Mapping[tuple[str, ...], Sequence[int]], *, trains: bool
) -> Problem:
    told = []
    for names, places in found.items():
        shown = ", ".join(table.where(place) for place in places[:MOST_EXAMPLES])
        more = f" and {len(places) - MOST_EXAMPLES:,} more" if len(places) > MOST_EXAMPLES else ""
        rows = f"{len(places):,} row{'s' * (len(places) > 1)}"
        told.append(f"{rows} with {' and '.join(names)} in their place: {shown}{more}")
    fix = "write all rows alike, or put the others into a file of their own"
    return Problem(
        where=table.file,
        expected=f"all rows in one format, with {' and '.join(used)}",
        found="\n            ".join(told),
        fix=f"{fix} and name both: data.train=[FILE, FILE]" if trains else fix,
    )
