"""Whether the answers are texts that are to be written, and which task it then is: by the recipe, else by the columns.

Where a table can be read both ways, columns with labels that come back stay labels, and the reason says what to write
for the other reading. Which columns a task has is `columns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.data.column_problems import free_columns
from affina.data.labelling.guess import GIVEN, Asked
from affina.data.labelling.numbers import NUMBER, nearly_all
from affina.data.names import known_columns
from affina.data.passages import is_running_text
from affina.data.table import Table, Unusable
from affina.data.written.columns import messages_in
from affina.data.written.names import (
    CHAT_PAIRS,
    GENERATION_PAIRS,
    PREFERENCES,
    TRANSLATION_PAIRS,
    Pair,
    languages_in,
    pairs_in,
)
from affina.errors import Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import (
    ChatSpec,
    GenerationSpec,
    GuessedSpec,
    TranslationSpec,
    WritingSpec,
)
from affina.values import Resolved

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": ("messages", "prompt", "completion", "system", "context"),
    "generation": ("prompt", "completion", "context", "text"),
    "translation": ("source", "target"),
}
"""The keys under `data` that name columns, by task."""
OF_LABELS: Final = ("text", "text_pair", "label")
"""The same of the tasks whose answers are labels or numbers."""
_SPECS: Final[Mapping[str, type[WritingSpec]]] = {
    "chat": ChatSpec,
    "generation": GenerationSpec,
    "translation": TranslationSpec,
}


@dataclass(frozen=True, slots=True)
class Guess:
    """A task whose answers are texts, as a table's columns tell.

    Attributes:
        spec: the task.
        columns: those that tell: of conversations one, of a pair the asked side first.
        reason: in words.
    """

    spec: WritingSpec
    columns: tuple[str, ...]
    reason: str


def asked_for(spec: DataSpec, task: Asked) -> Resolved[WritingSpec] | None:
    """The task whose answers are texts that the recipe names, itself or by its keys; None where it names none.

    Raises:
        RecipeError: keys under `data` that do not go with the task, or with each other.
    """
    named = _named(spec)
    if isinstance(task, WritingSpec):
        _refuse_others(named, KEYS[task.name], task.name)
        return Resolved(task, GIVEN)
    writing = {key for keys in KEYS.values() for key in keys} - {"text"}
    if not (isinstance(task, GuessedSpec) or task == AUTO):
        _refuse_others(named, OF_LABELS, task.name)
        return None
    telling = [key for key in named if key in writing]
    if not telling:
        return None
    name = "translation" if {"source", "target"} & set(telling) else "chat"
    if isinstance(spec.prompt, tuple):
        _refuse_others(named, KEYS["generation"], "generation")
        return Resolved(GenerationSpec(), "data.prompt names columns with attributes of a text")
    _refuse_others(named, KEYS[name], name)
    return Resolved(_SPECS[name](), f"data.{telling[0]} names a column for it")


def guess(table: Table) -> Guess | None:
    """The task that the columns tell, where nobody says it.

    Args:
        table: the first training file, or its beginning.
    """
    if is_running_text(table.file):
        return Guess(GenerationSpec(), (), "running text, which is learned from its first word to its last")
    free = free_columns({}, table)
    if (messages := messages_in(table, free)) is not None:
        return Guess(ChatSpec(), (messages,), f"the column {messages} holds conversations")
    languages = languages_in(free)
    called = ((languages[0], languages[1]),) if len(languages) == 2 else ()
    ways: tuple[tuple[WritingSpec, Sequence[Pair], str], ...] = (
        (ChatSpec(), pairs_in(CHAT_PAIRS, free), "are a question and its answer"),
        (ChatSpec(), pairs_in((PREFERENCES,), free), "are answers"),
        (TranslationSpec(), pairs_in(TRANSLATION_PAIRS, free), "are a text and its translation"),
        (TranslationSpec(), called, "are called by languages, and there is no third such column"),
        (GenerationSpec(), pairs_in(GENERATION_PAIRS, free), "are an input and what is made of it"),
    )
    found = ((spec, pairs[0], what) for spec, pairs, what in ways if pairs)
    return next((Guess(spec, pair, f"{pair[0]} and {pair[1]} {what}") for spec, pair, what in found), None)


def has_labels(table: Table, found: Mapping[str, Resolved[str]], guessed: Guess) -> bool:
    """Whether a table that could be read as `guessed` has labels all the same: cells that come back, lists or numbers.

    Args:
        table: the first training file, or its beginning.
        found: its columns by role, as of a table with labels.
        guessed: the other reading.
    """
    if "label" not in found:
        return True
    name = found["label"].value
    if name in guessed.columns[:1] or _is_nested(table, found["text"].value):
        return False  # a repeated prompt is no label, and a conversation no text
    cells = table.column(name)
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    if len(texts) < len(cells) / 2:
        return True
    numbers = sum(any(form.fullmatch(text) for form in NUMBER.values()) for text in texts)
    return nearly_all(numbers, len(texts)) or 2 * len(set(texts)) <= len(texts)


def _is_nested(table: Table, name: str) -> bool:
    return any(isinstance(cell, Unusable) for cell in table.column(name))


def other_labels(table: Table, guessed: Guess) -> list[str]:
    """The columns beside those of a guess that are called as labels are."""
    free = [name for name in free_columns({}, table) if name not in guessed.columns]
    return [name for tier in known_columns("label", free) for name in tier]


def alternative(guessed: Guess) -> str:
    """What to write for the reading that was not taken."""
    what = f"to learn to write {guessed.columns[-1]}" if guessed.columns else "to learn to write such texts"
    return f"{what}, write task={guessed.spec.name}"


def _named(spec: DataSpec) -> list[str]:
    given = {
        "text": spec.text,
        "text_pair": spec.text_pair,
        "label": spec.label,
        "messages": spec.messages,
        "prompt": spec.prompt,
        "completion": spec.completion,
        "system": spec.system,
        "context": spec.context,
        "source": spec.source,
        "target": spec.target,
    }
    return [key for key, value in given.items() if value not in (AUTO, "none")]


def _refuse_others(named: list[str], keys: tuple[str, ...], task: str) -> None:
    others = [key for key in named if key not in keys]
    if not others:
        return
    fitting = [name for name, own in KEYS.items() if set(named) <= set(own)]
    fix = f"leave {' and '.join(f'data.{key}' for key in others)} out"
    fix += f", or write task={fitting[0]}" if fitting else ", or name another task"
    raise RecipeError(
        Problem(
            where=f"recipe keys {', '.join(f'data.{key}' for key in others)}, with the task {task}",
            expected=f"columns for it: {', '.join(f'data.{key}' for key in keys)}",
            found=", ".join(f"data.{key}" for key in named),
            fix=fix,
        )
    )
