"""Words that a chat template says for the system where nobody gave any: whose they are is said before they are learned.

Such a template has an assistant of another name answer in the user's conversations. This module changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from affina.data.conversations import SYSTEM, USER, Turn, parse
from affina.data.rows import Row
from affina.errors import UnfitRow
from affina.tasks.chat import ROLE
from affina.tasks.turns import prompt
from affina.values import Resolved

KEY: Final = "task (system, by default)"
_MARKS: Final = ("turnx0x", "turnx1x")


def own_words(tokenizer: Any) -> str:
    """What the template says for the system where a conversation has no such turn; empty where it says nothing."""
    system, user = Turn(SYSTEM, _MARKS[0]), Turn(USER, _MARKS[1])
    try:
        alone, both = (prompt(tokenizer, turns, asked=False) for turns in ([user], [system, user]))
    except UnfitRow:
        return ""
    before, found, rest = both.partition(_MARKS[0])
    between, _, _ = rest.partition(_MARKS[1])
    said, _, _ = alone.partition(_MARKS[1])
    if not found or not said.startswith(before) or not said.endswith(between):
        return ""
    return said[len(before) : len(said) - len(between)].strip()


def persona(tokenizer: Any, rows: Sequence[Row], *, reads_apart: bool) -> dict[str, Resolved[Any]]:
    """The choice to leave the template's own words in, where a conversation has none; else nothing.

    Args:
        tokenizer: with its chat template.
        rows: the training rows.
        reads_apart: the model is an encoder-decoder, which has no template.
    """
    if reads_apart or not rows or ROLE not in rows[0].fields:
        return {}
    words = own_words(tokenizer)
    without = sum(all(turn.role != SYSTEM for turn in parse(row.fields[ROLE])) for row in rows) if words else 0
    if not without:
        return {}
    reason = (
        f"the model's chat template says this in {without:,} of {len(rows):,} training conversations, which have no "
        'words of the system; the model learns to answer so. Write task.system="..." for words of your own'
    )
    return {KEY: Resolved(words, reason)}
