"""What the user is told where it is unclear what is to be written, or where rows are of mixed formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.column_problems import MEANINGS, free_columns, shown_columns
from affina.data.names import match_name
from affina.data.rows import is_blank
from affina.data.table import MOST_EXAMPLES, Table, Unusable
from affina.data.written.names import CHAT_PAIRS, MESSAGES, languages_in, pairs_in
from affina.errors import DataError, Problem
from affina.values import Resolved

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


def refuse_mixed(table: Table, columns: Mapping[str, str]) -> None:
    """Stop at a file in which some rows have a conversation and others a prompt, or prompts in other columns.

    Args:
        table: the file, or a part of it.
        columns: role to column, as its rows are read.

    Raises:
        DataError: naming rows of each kind.
    """
    used = tuple(columns[role] for role in ("messages", "prompt", "completion") if role in columns)
    own = {used} | {(name,) for name in used}
    there = [(name,) for name in (match_name(known, table.columns) for known in MESSAGES) if name is not None]
    others = [pair for pair in (*there, *pairs_in(CHAT_PAIRS, table.columns)) if pair not in own]
    lacking = [place for place in range(len(table.rows)) if not _has(table, place, used[:1])] if others else []
    for other in others:
        strange = [place for place in lacking if _has(table, place, other)]
        if strange:
            raise DataError(_mixed(table, used, other, strange))


def _has(table: Table, place: int, names: Sequence[str]) -> bool:
    cells = [table.rows[place][table.columns.index(name)] for name in names]
    return all(not isinstance(cell, str) or not is_blank(cell) for cell in cells)


def _mixed(table: Table, used: Sequence[str], other: Sequence[str], strange: Sequence[int]) -> Problem:
    shown = ", ".join(table.where(place) for place in strange[:MOST_EXAMPLES])
    more = f" and {len(strange) - MOST_EXAMPLES:,} more" if len(strange) > MOST_EXAMPLES else ""
    return Problem(
        where=table.file,
        expected=f"all rows in one format, with {' and '.join(used)}",
        found=f"{len(strange):,} rows with {' and '.join(other)} in their place: {shown}{more}",
        fix="write all rows alike, or put the others into a file of their own and name both: data.train=[FILE, FILE]",
    )
