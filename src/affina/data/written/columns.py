"""Which columns hold what is asked and what is to be written, for each task whose answers are texts.

A column is what the recipe names, else one with a well-known name (`names`). Which task a table is for is `guess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affina.data.column_problems import free_columns
from affina.data.columns import named_columns
from affina.data.names import known_columns
from affina.data.passages import COLUMN, is_running_text
from affina.data.table import Table, Unusable
from affina.data.written.names import (
    ALL_PAIRS,
    ATTRIBUTE_ROLE,
    CHAT_PAIRS,
    CONTEXT,
    MESSAGES,
    PREFERENCES,
    SYSTEM,
    TRANSLATION_PAIRS,
    Pair,
    first_named,
    languages_in,
    pairs_in,
    partners_of,
)
from affina.data.written.problems import preferences, unclear
from affina.errors import DataError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import TaskName
from affina.values import Resolved

Columns = dict[str, Resolved[str]]
OPTIONAL: Final = frozenset({"group", "system", "context"})
"""Roles that another file may lack."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """The two roles of a task's pair of columns, and the pairs that are well known for it."""

    asked: str
    written: str
    pairs: Sequence[Pair]


_CHAT: Final = _Sides("prompt", "completion", CHAT_PAIRS)
_GENERATION: Final = _Sides("prompt", "completion", ALL_PAIRS)
_TRANSLATION: Final = _Sides("source", "target", TRANSLATION_PAIRS)


def written_columns(table: Table, spec: DataSpec, task: TaskName) -> Columns:
    """Role to the column that holds it and why: the roles are the recipe's keys under `data`.

    Args:
        table: the file, or its beginning.
        spec: the recipe's `data`.
        task: chat, generation or translation.

    Raises:
        DataError: a named column is not there, or it is unclear which one is meant.
        RecipeError: one column is named for two roles.
    """
    found = named_columns(table, _named(spec) | _attributes(spec))
    group = {"group": found.pop("group")} if "group" in found else {}
    if task == "translation":
        return _translation(table, found) | group
    if attributes := [found[role] for role in _attributes(spec)]:
        found["prompt"] = attributes[0]
    columns = (_chat if task == "chat" else _generation)(table, spec, found) | group
    return {role: column for role, column in columns.items() if role != "prompt" or not attributes}


def _attributes(spec: DataSpec) -> dict[str, str]:
    """Role to column of the attributes that are put in front of a text, where the recipe names several columns."""
    return {f"{ATTRIBUTE_ROLE}{name}": name for name in spec.prompt} if isinstance(spec.prompt, tuple) else {}


def messages_in(table: Table, columns: Sequence[str]) -> str | None:
    """The column with a well-known name for conversations, of those that hold lists of turns."""
    return first_named(MESSAGES, [name for name in columns if _holds_turns(table, name)])


def _named(spec: DataSpec) -> dict[str, str]:
    asked: dict[str, str | None] = {
        "text": spec.text,
        "messages": spec.messages,
        "prompt": spec.prompt if isinstance(spec.prompt, str) else None,
        "completion": spec.completion,
        "system": spec.system,
        "context": spec.context,
        "source": spec.source,
        "target": spec.target,
        "group": spec.group,
    }
    return {role: name for role, name in asked.items() if name not in (None, AUTO) and not _is_none(role, name)}


def _is_none(role: str, name: str | None) -> bool:
    return role in ("system", "context") and name == "none"


def _chat(table: Table, spec: DataSpec, found: Columns) -> Columns:
    found = dict(found)
    free = free_columns(found, table)
    if not {"messages", "prompt", "completion"} & found.keys():
        if len(pairs_in((PREFERENCES,), free)) == 1:
            raise DataError(preferences(table, messages_in(table, free)))
        if (name := messages_in(table, free)) is not None:
            found["messages"] = Resolved(name, "a well-known name for conversations, and it holds lists of turns")
    if "messages" not in found:
        _add_sides(table, found, _CHAT, task="chat")
        _add_context(table, spec, found)
    if spec.system == AUTO and (told := _texts(table, SYSTEM, found)) is not None:
        found["system"] = Resolved(told, "a well-known name for what the assistant is told")
    return found


def _generation(table: Table, spec: DataSpec, found: Columns) -> Columns:
    found = dict(found)
    if is_running_text(table.file):
        return found or {"text": Resolved(COLUMN, "running text, in passages")}
    if "text" in found:
        return found
    free = free_columns(found, table)
    asked = {"prompt", "completion"} & found.keys()
    if not asked and not pairs_in(_GENERATION.pairs, free) and (name := _only_text(table, free)) is not None:
        reason = "the only column with texts, learned from their first word to the last"
        return {"text": Resolved(name, reason + _not_read(name, free))}
    _add_sides(table, found, _GENERATION, task="generation")
    _add_context(table, spec, found)
    return found


def _not_read(text: str, free: Sequence[str]) -> str:
    """What else there is, and how it would be read, after the column with the texts."""
    others = [name for name in free if name != text]
    if not others:
        return ""
    prompt = others[0] if len(others) == 1 else f"[{', '.join(others)}]"
    return f"; not read: {', '.join(others)} (data.prompt='{prompt}' data.completion='{text}' puts it in front of them)"


def _translation(table: Table, found: Columns) -> Columns:
    found = dict(found)
    languages = languages_in(free_columns(found, table))
    named = {"source", "target"} & found.keys()
    pairs = pairs_in(TRANSLATION_PAIRS, free_columns(found, table))
    if not named and not pairs and len(languages) == 2:
        reason = "of the two columns that are called by languages, the "
        return {
            "source": Resolved(languages[0], reason + "first"),
            "target": Resolved(languages[1], reason + "second"),
        }
    if len(named) == 1 and len(languages) == 1:
        role = "target" if "source" in named else "source"
        found[role] = Resolved(languages[0], "the only other column that is called by a language")
    _add_sides(table, found, _TRANSLATION, task="translation")
    return found


def _add_sides(table: Table, found: Columns, sides: _Sides, *, task: TaskName) -> None:
    """What is asked and what is written: well-known names for both, or beside the one that is named."""
    roles = (sides.asked, sides.written)
    free = free_columns(found, table)
    missing = [role for role in roles if role not in found]
    if len(missing) == 2 and (pairs := pairs_in(sides.pairs, free)):
        for role, name in zip(roles, pairs[0], strict=True):
            found[role] = Resolved(name, f"{' and '.join(pairs[0])} are well-known names for the two")
    elif len(missing) == 1:
        other = found[sides.written if missing[0] == sides.asked else sides.asked].value
        if beside := partners_of(other, sides.pairs, free):
            found[missing[0]] = Resolved(beside[0], f"a well-known name beside {other}")
        elif len(free) == 1:
            found[missing[0]] = Resolved(free[0], "the only column left")
    if missing := [role for role in roles if role not in found]:
        raise DataError(unclear(table, task, roles, found))


def _add_context(table: Table, spec: DataSpec, found: Columns) -> None:
    if spec.context == AUTO and (name := _texts(table, CONTEXT, found)) is not None:
        prompt = found["prompt"].value
        found["context"] = Resolved(name, f"a well-known name for what {prompt} is about; it is put under it")


def _texts(table: Table, names: Sequence[str], found: Columns) -> str | None:
    """The first column with one of the names, where all its cells are texts."""
    name = first_named(names, free_columns(found, table))
    return name if name is not None and all(isinstance(cell, str) for cell in table.column(name)) else None


def _only_text(table: Table, free: Sequence[str]) -> str | None:
    """The column with texts, where nothing else could be meant."""
    free = [name for name in free if all(isinstance(cell, str) for cell in table.column(name))]
    if len(free) == 1:
        return free[0]
    tiers = known_columns("text", free)
    return tiers[0][0] if tiers and len(tiers[0]) == 1 else None


def _holds_turns(table: Table, name: str) -> bool:
    """Whether any cell is a list of objects, or the JSON text of one."""
    for cell in table.column(name):
        if isinstance(cell, Unusable) and isinstance(cell.value, list) and any(isinstance(e, dict) for e in cell.value):
            return True
        if isinstance(cell, str) and cell.lstrip()[:1] == "[" and "{" in cell[:20]:
            return True
    return False
