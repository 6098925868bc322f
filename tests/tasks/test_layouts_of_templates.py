"""What a template writes around turns is rendered once for conversations of the same roles, and followed as if anew."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from affina.data.conversations import Turn
from affina.errors import UnfitRow
from affina.tasks import turns as turns_module
from affina.tasks.turns import DEFAULT_TEMPLATE, Layouts, render

TRIMS = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set told = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set told = '' %}{% endif %}{% for m in rest %}"
    "{% if m['role'] == 'user' %}{{ bos_token + told + '[INST] ' + m['content'] | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
DATED = "{{ today[0] + ': ' }}" + DEFAULT_TEMPLATE


def speaker(template: str) -> Any:
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"?": 0}, unk_token="?")), bos_token="<s>", eos_token="</s>"
    )
    made.chat_template = template
    return made


def talk(*texts: str, system: str = "") -> tuple[Turn, ...]:
    told = (Turn("system", system),) if system else ()
    return (*told, *(Turn("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)))


TALKS = [
    talk("Hello?", "Yes."),
    talk("User: no", "turn"),
    talk(" Saturday ", "\nreturn "),
    talk("one", "two", "one", "two"),
    talk("one", "two", system="turnx0x"),
    talk("Assistant:", "User: Assistant:"),
    talk("turnnx0x", "one", "turnnn", "turnnnx1x"),
] * 2


@pytest.mark.parametrize("template", [DEFAULT_TEMPLATE, TRIMS])
def test_conversations_of_the_same_roles_are_rendered_as_each_alone(template, monkeypatch):
    tokenizer, known = speaker(template), Layouts()
    alone = [render(tokenizer, turns) for turns in TALKS]
    made = []
    ask = turns_module._template_parts
    monkeypatch.setattr(turns_module, "_template_parts", lambda *args: made.append(args) or ask(*args))
    assert [render(tokenizer, turns, known=known) for turns in TALKS] == alone
    assert len(made) == len(known) == 5, "of seven, twice two have mark and roles in common; all come twice"


def test_a_template_whose_words_change_in_the_middle_is_asked_again(monkeypatch):
    tokenizer, known, today = speaker(DATED), Layouts(), ["Monday"]
    write = tokenizer.apply_chat_template
    monkeypatch.setattr(tokenizer, "apply_chat_template", lambda *args, **more: write(*args, today=today, **more))
    for day in ("Monday", "a Tuesday", "Monday"):
        today[0] = day
        found = render(tokenizer, talk("Hello?", "Yes."), known=known)
        assert found.text.startswith(f"{day}: User: Hello?")
        assert [found.text[slice(*place)] for place in found.answers] == [" Yes.</s>"]


def test_a_text_that_is_rewritten_is_refused_whatever_was_rendered_before():
    tokenizer, known = speaker(DEFAULT_TEMPLATE), Layouts()
    render(tokenizer, talk("one", "two"), known=known)
    tokenizer.chat_template = DEFAULT_TEMPLATE.replace("'User: ' + message['content']", "message['content'] | upper")
    with pytest.raises(UnfitRow, match="changes"):
        render(tokenizer, talk("one", "two"), known=known)
