"""The column names that data sets with conversations, prompts and translations commonly use.

A pair that stands earlier is taken before a later one. How a name is compared is `data.names`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from affina.data.names import match_name, normalised
from affina.recipe.languages import language_of

Pair = tuple[str, str]
MESSAGES: Final = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
CHAT_PAIRS: Final[tuple[Pair, ...]] = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("instruction", "completion"),
    ("instruction", "answer"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("user", "assistant"),
    ("human", "assistant"),
)
GENERATION_PAIRS: Final[tuple[Pair, ...]] = (
    ("input", "output"),
    ("mr", "ref"),
    ("mr", "ref_tok"),
    ("meaning_representation", "human_reference"),
)
"""The last three are those of the E2E challenge."""
TRANSLATION_PAIRS: Final[tuple[Pair, ...]] = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("src", "target"),
    ("source_text", "target_text"),
    ("source_sentence", "target_sentence"),
)
TEXT_PAIRS: Final[tuple[Pair, ...]] = (
    ("article", "highlights"),
    ("document", "summary"),
    ("text", "summary"),
    ("input", "target"),
    ("inputs", "targets"),
    ("input_text", "target_text"),
)
"""Summaries, and what T5's users have, whose targets may be labels as well: generation where that is asked for."""
ALL_PAIRS: Final = (*CHAT_PAIRS, *GENERATION_PAIRS, *TRANSLATION_PAIRS, *TEXT_PAIRS)
ANSWER_ROLES: Final = ("completion", "target")
"""The roles of columns with what is to be written."""
ATTRIBUTE_ROLE: Final = "prompt "
"""Before the name in the role of a column with an attribute that is put in front of a text."""
SYSTEM: Final = ("system", "system_prompt", "system_message")
CONTEXT: Final = ("context", "input")
PREFERENCES: Final = ("chosen", "rejected")
"""A better and a worse answer to the same."""


def first_named(names: Sequence[str], columns: Iterable[str]) -> str | None:
    """The first column with one of the names, in the names' order."""
    columns = tuple(columns)
    found = (match_name(name, columns) for name in names)
    return next((name for name in found if name is not None), None)


def pairs_in(pairs: Sequence[Pair], columns: Iterable[str]) -> list[Pair]:
    """The pairs of which both columns are there, as they are written there."""
    columns = tuple(columns)
    both = ((match_name(first, columns), match_name(second, columns)) for first, second in pairs)
    return [(first, second) for first, second in both if first is not None and second is not None]


def partners_of(column: str, pairs: Sequence[Pair], columns: Iterable[str]) -> list[str]:
    """The columns that stand beside a column in a well-known pair, on whichever side of it."""
    name = normalised(column)
    beside = [second if first == name else first for first, second in pairs if name in (first, second)]
    columns = tuple(columns)
    return [found for other in beside if (found := match_name(other, columns)) is not None]


def languages_in(columns: Iterable[str]) -> list[str]:
    """The columns whose names say a language."""
    return [column for column in columns if column and language_of(column) is not None]
