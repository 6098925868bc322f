"""A conversation in a model's own chat template, with the characters that are the assistant's to write.

A template is a program: where it puts a turn is found by rendering the conversation twice, once as it is and once with
marks in the place of the texts. What stands between the marks is the template's; the rest is the turns'. So no template
needs markers of its own, and one that moves, trims or leaves out a text is noticed. What the assistant has to write
starts where the template's generation prompt ends and includes the token that ends its turn.

Owns the rendering. It does not read files (`data.conversations`) and makes no tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from affina.data.conversations import ASSISTANT, SYSTEM, Turn
from affina.errors import ModelError, Problem, UnfitRow
from affina.runtime.limited import within

DEFAULT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + eos_token + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For a model without a template: plain words that every tokenizer has, and its own end token after each answer."""
MOST_SECONDS: Final = 3.0
"""For one conversation."""
_THOUGHT: Final = "</think>"

Layouts = dict[tuple[str, ...], list[str | int]]
"""What a template writes for a mark and roles, see `_template_parts`."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text.

    Attributes:
        text: what the model reads, special tokens written out.
        answers: the characters that are trained, [start, end) for each of the assistant's turns, end token included.
        left_out: places of the turns that the template leaves out.
        ended: whether an end token had to be put behind the last answer, since the template has none.
    """

    text: str
    answers: tuple[tuple[int, int], ...]
    left_out: tuple[int, ...] = ()
    ended: bool = False


def render(tokenizer: Any, turns: Sequence[Turn], *, known: Layouts | None = None) -> Rendered:
    """Render a conversation that ends with the assistant.

    Args:
        tokenizer: the model's own, with a chat template and an end token (transformers).
        turns: at least one of them the assistant's.
        known: what this tokenizer's template wrote around others, which gets more.

    Raises:
        UnfitRow: the template refuses the conversation, or its text cannot be followed.
    """
    text = prompt(tokenizer, turns, asked=False)
    places = _followed(tokenizer, text, turns, {} if known is None else known)
    special = _special_tokens(tokenizer)
    answers = []
    ended = False
    for number, turn in enumerate(turns):
        if turn.role != ASSISTANT:
            continue
        start, end = places[number]
        last = number == len(turns) - 1
        token = _end_token(text, end, special)
        if token is None and last:
            text, token, ended = text[:end] + tokenizer.eos_token, tokenizer.eos_token, True
        answers.append(
            (
                _start(tokenizer, turns[:number], text, start),
                end if token is None else text.index(token, end) + len(token),
            )
        )
    left_out = tuple(number for number in range(len(turns)) if number not in places)
    return Rendered(text, tuple(answers), left_out, ended)


def prompt(tokenizer: Any, turns: Sequence[Turn], *, asked: bool = True) -> str:
    """The text of a conversation; if `asked`, up to where the assistant begins to write.

    Raises:
        UnfitRow: the template refuses the conversation.
        ModelError: the template does not come to an end.
    """
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    try:
        with within(MOST_SECONDS):
            text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asked)
    except TimeoutError as error:
        found, fix = f"one that is not done with {len(turns)} turns after {MOST_SECONDS:g} s", "take another model"
        expected = "a template that writes a conversation down in a moment"
        raise ModelError(Problem(where="the model's chat template", expected=expected, found=found, fix=fix)) from error
    except Exception as error:  # a template is a program of somebody else's
        raise UnfitRow(f"the model's chat template refuses it: {error}") from error
    return text


def _followed(tokenizer: Any, text: str, turns: Sequence[Turn], known: Layouts) -> dict[int, tuple[int, int]]:
    """`_places` by what the template wrote around other turns of these roles; where it does not now, it is asked again.

    A template may write the date, which changes in the middle of a file.
    """
    kind = (_word(turns), *(turn.role for turn in turns))
    if kind in known:
        with suppress(UnfitRow):
            return _places(text, turns, known[kind])
    known[kind] = _template_parts(tokenizer, turns)
    return _places(text, turns, known[kind])


def _template_parts(tokenizer: Any, turns: Sequence[Turn]) -> list[str | int]:
    """What the template writes, in order: its own text, and the number of a turn where that turn's text goes."""
    marks = _marks(turns)
    text = prompt(tokenizer, [Turn(turn.role, mark) for turn, mark in zip(turns, marks, strict=True)], asked=False)
    numbers = {mark: number for number, mark in enumerate(marks)}
    pieces = re.split("(" + "|".join(map(re.escape, marks)) + ")", text)
    return [numbers.get(piece, piece) for piece in pieces]


def _marks(turns: Sequence[Turn]) -> list[str]:
    """A word for each turn that is in none of their texts."""
    word = _word(turns)
    return [f"{word}x{number}x" for number in range(len(turns))]


def _word(turns: Sequence[Turn]) -> str:
    """What marks begin with, which is in none of the texts."""
    word = "turn"
    while any(word in turn.content for turn in turns):
        word += "n"
    return word


def _places(text: str, turns: Sequence[Turn], parts: Sequence[str | int]) -> dict[int, tuple[int, int]]:
    """Where each turn's text is; the place of a turn that is left out is missing.

    Raises:
        UnfitRow: a text is there twice, an answer is left out, or a text was changed.
    """
    found: dict[int, tuple[int, int]] = {}
    position = 0
    for place, part in enumerate(parts):
        if isinstance(part, str):
            if not text.startswith(part, position):
                raise UnfitRow("the model's chat template changes its texts, or the words around them")
            position += len(part)
            continue
        if part in found:
            raise UnfitRow(f"the model's chat template writes turn {part + 1} more than once")
        after = next((later for later in parts[place + 1 :] if isinstance(later, str)), "")
        written = next((way for way in _ways(turns[part].content) if text.startswith(way + after, position)), None)
        if written is None:
            raise UnfitRow(f"the model's chat template changes the text of turn {part + 1}")
        found[part] = (position, position + len(written))
        position += len(written)
    missing = [number for number, turn in enumerate(turns) if turn.role == ASSISTANT and number not in found]
    if missing:
        raise UnfitRow(f"the model's chat template leaves out the assistant's turn {missing[0] + 1}")
    return found


def _ways(content: str) -> Iterator[str]:
    """How templates write a text: as it is, without outer blanks, without the thoughts before an answer."""
    yield content
    yield content.strip()
    yield content.rstrip()
    yield content.lstrip()
    if _THOUGHT in content:
        answer = content.rpartition(_THOUGHT)[2]
        yield answer
        yield answer.lstrip("\n")
        yield answer.strip()


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    added: Mapping[int, Any] = tokenizer.added_tokens_decoder
    texts = {str(token) for token in added.values() if token.special} | set(tokenizer.all_special_tokens)
    return tuple(sorted(texts, key=len, reverse=True))


def _end_token(text: str, end: int, special: Sequence[str]) -> str | None:
    """The special token behind a text, blanks between them allowed."""
    rest = text[end:].lstrip()
    return next((token for token in special if rest.startswith(token)), None)


def _start(tokenizer: Any, before: Sequence[Turn], text: str, content: int) -> int:
    """Where the assistant begins to write: behind the generation prompt, at the latest at its text."""
    asked = prompt(tokenizer, before) if before else ""
    if before and text.startswith(asked) and len(asked) <= content:
        return len(asked)
    own = asked.removeprefix(prompt(tokenizer, before, asked=False)) if before else ""
    place = text.rfind(own, 0, content) if own else -1
    return content if place < 0 or text[place + len(own) : content].strip() else place + len(own)


def end_of_turn(tokenizer: Any) -> str:
    """The token that ends an answer in the template; the tokenizer's end token where the template has none."""
    said = "two"
    try:
        found = render(tokenizer, (Turn("user", "one"), Turn(ASSISTANT, said)))
    except UnfitRow:  # which every row is told
        return str(tokenizer.eos_token)
    return found.text[slice(*found.answers[-1])].rpartition(said)[2].strip() or str(tokenizer.eos_token)


def has_system_place(tokenizer: Any) -> bool:
    """Whether the template writes a system turn somewhere."""
    turns = (Turn(SYSTEM, "one"), Turn("user", "two"), Turn(ASSISTANT, "three"))
    try:
        return not render(tokenizer, turns).left_out
    except UnfitRow:
        return False
