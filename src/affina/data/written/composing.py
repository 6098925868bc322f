"""From the cells of a task whose answers are texts to its row: `text` is what is asked, `label` what is to be written.

A row of a chat has its whole conversation too, in `messages`. What nothing can be learned from is said with its reason
(`UnfitRow`); what follows is `data.unfit`'s. Which column plays which role is `columns`.
"""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace

from affina.data.conversations import (
    ASSISTANT,
    USER,
    Turn,
    are_turns,
    check,
    dump,
    from_answer,
    from_turns,
    in_words,
    with_system,
)
from affina.data.rows import CONTROLLED, Row, is_blank
from affina.data.table import excerpt
from affina.data.written.names import ATTRIBUTE_ROLE
from affina.errors import UnfitRow
from affina.recipe.task_specs import ChatSpec, TranslationSpec, WritingSpec


def composed(row: Row, spec: WritingSpec, *, answered: bool = True) -> Row:
    """The row with its text, and its label where it has an answer.

    Args:
        row: with the cells by role: the keys under `data` that name columns.
        spec: the task.
        answered: whether the answer is needed; without it the label may be empty.

    Raises:
        UnfitRow: nothing can be learned from it.
    """
    if isinstance(spec, ChatSpec):
        fields = _conversation(row.fields, spec, answered=answered)
    elif isinstance(spec, TranslationSpec):
        fields = _translation(row.fields, answered=answered)
    else:
        fields = _generation(row.fields, answered=answered)
    group = {"group": row.fields["group"]} if "group" in row.fields else {}
    return replace(row, fields={**fields, **group})


def _conversation(cells: Mapping[str, str], spec: ChatSpec, *, answered: bool) -> dict[str, str]:
    turns = with_system(with_system(_turns(cells, answered=answered), cells.get("system", "")), spec.system)
    has_answer = bool(turns) and turns[-1].role == ASSISTANT
    check(turns if answered or has_answer else (*turns, Turn(ASSISTANT, "(to be written)")))
    asked = turns[:-1] if has_answer else turns
    return {"text": in_words(asked), "label": turns[-1].content if has_answer else "", "messages": dump(turns)}


def _turns(cells: Mapping[str, str], *, answered: bool) -> tuple[Turn, ...]:
    """What is said, in whichever form the row has it."""
    if "messages" in cells:
        answer = cells.get("completion", "")
        said = (Turn(ASSISTANT, answer),) if "completion" in cells and (answered or not is_blank(answer)) else ()
        return (*from_turns(_parsed(cells["messages"])), *said)
    asked, answer = _prompt(cells), cells.get("completion", "")
    before, written = _own_turns(asked), _own_turns(answer)
    if before is not None or written is not None:
        written = written or ((Turn(ASSISTANT, answer),) if answered or not is_blank(answer) else ())
        return (*(before or (Turn(USER, asked),)), *written)
    turns = from_answer(asked, answer, extra=cells.get("context", ""))
    return turns if answered or not is_blank(turns[-1].content) else turns[:-1]


def _own_turns(cell: str) -> tuple[Turn, ...] | None:
    """The turns of a prompt or an answer that is a list of such; None for a text."""
    if not cell.startswith("[{"):
        return None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(cell)
        return from_turns(found) if are_turns(found) else None
    return None


def _parsed(cell: str) -> object:
    """What a cell holds, as JSON or Python writes it."""
    if is_blank(cell):
        raise UnfitRow("no conversation but an empty cell")
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found: object = read(cell)
            return found
    raise UnfitRow(f"no list of turns but the text {excerpt(cell, 30)}")


def _prompt(cells: Mapping[str, str]) -> str:
    """What is asked: a column's cell, or attributes with their values, those that a row has."""
    if "prompt" in cells:
        return cells["prompt"]
    attributes = {
        role.removeprefix(ATTRIBUTE_ROLE): " ".join(cell.split())
        for role, cell in cells.items()
        if role.startswith(ATTRIBUTE_ROLE)
    }
    return " | ".join(f"{name}: {value}" for name, value in attributes.items() if value)


def _generation(cells: Mapping[str, str], *, answered: bool) -> dict[str, str]:
    if "text" in cells:
        return {"text": cells["text"], "label": ""}
    prompt, extra, output = _prompt(cells), cells.get("context", ""), cells.get("completion", "")
    asked = f"{prompt}\n\n{extra}" if not is_blank(extra) else prompt
    if is_blank(asked):
        raise UnfitRow("the input is empty")
    if answered and is_blank(output):
        raise UnfitRow("the output is empty")
    if "prompt" not in cells:  # attributes, which many texts share
        return {"text": asked, "label": output, CONTROLLED: ""}
    return {"text": asked, "label": output}


def _translation(cells: Mapping[str, str], *, answered: bool) -> dict[str, str]:
    source, target = cells["source"], cells.get("target", "")
    if is_blank(source):
        raise UnfitRow("the source is empty")
    if answered and is_blank(target):
        raise UnfitRow("the target is empty")
    if answered and source.strip() == target.strip():
        raise UnfitRow("source and target are the same text")
    return {"text": source, "label": target}
