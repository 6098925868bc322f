"""Conversations in the formats people have them in, as one: turns with a role and a text.

Recognised are `messages` (role, content), ShareGPT's `conversations` (from, value), and tables with a question and an
answer: prompt/completion, instruction/input/output and their kin. What no conversation can be made of is said with the
reason, one problem a row; nothing is repaired quietly.

This module reads no file and knows no model.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from affina.data.rows import is_blank
from affina.errors import UnfitRow

Role = Literal["system", "user", "assistant"]
SYSTEM: Final = "system"
USER: Final = "user"
ASSISTANT: Final = "assistant"
_ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "ai", "chatbot", "chatgpt", "agent", "answer"), "assistant"),
}
"""What people call the speakers."""
SPEAKER: Final = ("role", "from", "speaker", "author")
"""Keys of a turn for who speaks,"""
SAID: Final = ("content", "value", "text", "message")
"""and for what is said."""
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""What no tokenizer can read: a NUL, and half of a surrogate pair, which JSON can write as an escape."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says."""

    role: Role
    content: str


def from_turns(given: Any) -> tuple[Turn, ...]:
    """A list of turns, each an object with a speaker and a text, as this project's turns.

    Args:
        given: plain JSON data.

    Raises:
        UnfitRow: it is no such list.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UnfitRow(f"no list of turns but {_kind(given)}")
    return tuple(_turn(entry, number) for number, entry in enumerate(given, 1))


def are_turns(given: Any) -> bool:
    """Whether it is a list of objects with a speaker each."""
    if not isinstance(given, list) or not given:
        return False
    return all(isinstance(entry, dict) and any(key in entry for key in SPEAKER) for entry in given)


def from_answer(question: str, answer: str, *, extra: str = "", system: str = "") -> tuple[Turn, ...]:
    """A question with its answer as a conversation.

    Args:
        question: the user's words: a prompt, an instruction, a question.
        answer: the assistant's.
        extra: what the instruction is about, put under it after an empty line.
        system: what the assistant is told before.
    """
    asked = f"{question}\n\n{extra}" if extra.strip() else question
    told = (Turn(SYSTEM, system),) if system.strip() else ()
    return (*told, Turn(USER, asked), Turn(ASSISTANT, answer))


def check(turns: Sequence[Turn]) -> None:
    """Stop at a conversation that an assistant cannot learn from.

    Raises:
        UnfitRow: naming what is wrong with it.
    """
    if not turns:
        raise UnfitRow("a conversation without a turn")
    for number, turn in enumerate(turns, 1):
        _check_turn(turn, number)
    spoken = [(number, turn.role) for number, turn in enumerate(turns, 1) if turn.role != SYSTEM]
    if not any(role == ASSISTANT for _, role in spoken):
        raise UnfitRow("the assistant says nothing")
    if spoken[0][1] == ASSISTANT:
        raise UnfitRow(f"turn {spoken[0][0]} is the assistant's, before the user has said anything")
    for (_, before), (number, role) in itertools.pairwise(spoken):
        if role == before:
            raise UnfitRow(f"turns {number - 1} and {number} are both the {role}'s")
    if spoken[-1][1] == USER:
        raise UnfitRow("it ends with the user, so that the last turn has no answer")


def _check_turn(turn: Turn, number: int) -> None:
    if turn.role == SYSTEM and number > 1:
        raise UnfitRow(f"turn {number} is the system's, which belongs in front")
    if _NO_TEXT.search(turn.content):
        raise UnfitRow(f"turn {number} holds a NUL byte or half of a surrogate pair")
    if is_blank(turn.content):
        what = "answer" if turn.role == ASSISTANT else f"text of the {turn.role}"
        raise UnfitRow(f"turn {number} is an empty {what}")


def with_system(turns: Sequence[Turn], system: str) -> tuple[Turn, ...]:
    """The conversation with what the assistant is told in front, where it has no such words of its own."""
    has_own = bool(turns) and turns[0].role == SYSTEM
    return tuple(turns) if has_own or not system.strip() else (Turn(SYSTEM, system), *turns)


def in_words(turns: Sequence[Turn]) -> str:
    """What is said, for those who compare texts: a lone question as it is, else one line a turn with its role.

    What the system says is left out: where all conversations begin with the same words, all would be alike.
    """
    spoken = [turn for turn in turns if turn.role != SYSTEM]
    if len(spoken) == 1:
        return spoken[0].content
    return "\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in spoken)


def told_in(fields: Mapping[str, str]) -> tuple[str, ...]:
    """What the system says in a row's conversation; `in_words` leaves it out."""
    text = fields.get("messages", "")
    if f'"{SYSTEM}"' not in text:
        return ()
    return tuple(turn.content for turn in parse(text) if turn.role == SYSTEM)


def dump(turns: Sequence[Turn]) -> str:
    """The conversation as one line of text: the same for the same conversation, whatever format it came in."""
    return json.dumps([{"role": turn.role, "content": turn.content} for turn in turns], ensure_ascii=False)


def parse(text: str) -> tuple[Turn, ...]:
    """What `dump` wrote."""
    return tuple(Turn(entry["role"], entry["content"]) for entry in json.loads(text))


def _turn(entry: Any, number: int) -> Turn:
    if not isinstance(entry, Mapping):
        raise UnfitRow(f"turn {number} is no object with a role and a text but {_kind(entry)}")
    speaker = next((entry[key] for key in SPEAKER if key in entry), None)
    role = _ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None
    if role is None:
        known = "system, user or assistant"
        found = "no role" if speaker is None else f"the role {str(speaker)[:40]!r}"
        raise UnfitRow(f"turn {number} has {found}, not {known}")
    said = [key for key in SAID if key in entry]
    if not said:
        raise UnfitRow(f"turn {number} has no text (keys: {', '.join(map(str, entry))[:80]})")
    return Turn(role, _content(entry[said[0]], number))


def _content(given: Any, number: int) -> str:
    """A text, or a list of parts that are all texts."""
    if isinstance(given, str):
        return given
    if isinstance(given, Sequence):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in given]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
        raise UnfitRow(f"turn {number} has a part that is no text")
    raise UnfitRow(f"the text of turn {number} is {_kind(given)}")


def _kind(given: Any) -> str:
    names = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a text"}
    return names.get(type(given), "a list" if isinstance(given, Sequence) else "an object")
