"""Which characters of a conversation are the assistant's, worked out by hand for templates of several families."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from affina.data.conversations import Turn
from affina.errors import ModelError, UnfitRow
from affina.tasks import turns as turns_module
from affina.tasks.turns import DEFAULT_TEMPLATE, end_of_turn, has_system_place, prompt, render

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}{% set told = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for m in rest %}"
    "{% if m['role'] == 'user' %}{% if loop.last and told is defined %}"
    "{{ '[INST] ' + told + '\n\n' + m['content'] + ' [/INST]' }}{% else %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% endif %}{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set told = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set told = false %}{% endif %}{% for m in rest %}"
    "{% if loop.index0 == 0 and told %}{% set content = '<<SYS>>\n' + told + '\n<</SYS>>\n\n' + m['content'] %}"
    "{% else %}{% set content = m['content'] %}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
PLAIN = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '### Instruction:\n' + m['content'] + '\n\n' }}"
    "{% elif m['role'] == 'assistant' %}{{ '### Response:\n' + m['content'] + '\n\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
)
QWEN3 = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{% set content = m['content'].split('</think>')[-1].lstrip('\n') %}{{ '<|im_start|>assistant\n' }}"
    "{% if loop.index0 > ns.last and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ content + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
SPECIAL += ["<start_of_turn>", "<end_of_turn>"]

ASK, SAY = Turn("user", "Hi there"), Turn("assistant", "Hello.")
MORE, END = Turn("user", "And now?"), Turn("assistant", "Bye\nthen.")
TOLD = Turn("system", "Be kind.")


def speaks(template: str, *, end: str = "</s>") -> Any:
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"x": 0, "?": 1}, unk_token="?")),
        bos_token="<s>",
        eos_token=end,
        unk_token="?",
    )
    made.add_special_tokens({"additional_special_tokens": [token for token in SPECIAL if token != end]})
    made.chat_template = template
    return made


def answers(template: str, *turns: Turn, end: str = "</s>") -> list[str]:
    found = render(speaks(template, end=end), turns)
    return [found.text[start:stop] for start, stop in found.answers]


# template -> what is trained of one exchange and of two, and the words of the last prompt
HAND = {
    "ChatML": (CHATML, ["Hello.<|im_end|>", "Bye\nthen.<|im_end|>"], "<|im_start|>assistant\n"),
    "Llama 3": (
        LLAMA3,
        ["Hello.<|eot_id|>", "Bye\nthen.<|eot_id|>"],
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "Gemma": (GEMMA, ["Hello.<end_of_turn>", "Bye\nthen.<end_of_turn>"], "<start_of_turn>model\n"),
    "Mistral": (MISTRAL, [" Hello.</s>", " Bye\nthen.</s>"], "[INST] And now? [/INST]"),
    "Llama 2": (LLAMA2, [" Hello. </s>", " Bye\nthen. </s>"], "[INST] And now? [/INST]"),
    "no markers": (PLAIN, ["Hello.", "Bye\nthen.</s>"], "### Response:\n"),
    "generation markers": (MARKED, ["Hello.<|im_end|>", "Bye\nthen.<|im_end|>"], "<|im_start|>assistant\n"),
    "Affina's own": (DEFAULT_TEMPLATE, [" Hello.</s>", " Bye\nthen.</s>"], "Assistant:"),
}


@pytest.mark.parametrize("family", HAND)
def test_of_two_exchanges_both_answers_are_trained(family: str) -> None:
    template, expected, _ = HAND[family]

    assert answers(template, ASK, SAY, MORE, END) == expected


@pytest.mark.parametrize("family", HAND)
def test_of_one_exchange_the_answer_and_its_end_are_trained(family: str) -> None:
    template, expected, _ = HAND[family]
    (found,) = answers(template, ASK, SAY)

    assert found.strip() in (expected[0].strip(), "Hello.</s>")
    assert found.startswith(expected[0][:3])


@pytest.mark.parametrize("family", [name for name in HAND if name not in ("Gemma", "Mistral", "no markers")])
def test_a_system_turn_moves_nothing(family: str) -> None:
    template, expected, _ = HAND[family]

    assert answers(template, TOLD, ASK, SAY, MORE, END) == expected
    assert has_system_place(speaks(template))


@pytest.mark.parametrize("family", HAND)
def test_the_prompt_at_inference_is_what_stands_before_the_last_answer(family: str) -> None:
    template, _, asked = HAND[family]
    tokenizer = speaks(template)
    found = render(tokenizer, (ASK, SAY, MORE, END))

    assert prompt(tokenizer, (ASK, SAY, MORE)) == found.text[: found.answers[-1][0]]
    assert prompt(tokenizer, (ASK, SAY, MORE)).endswith(asked)


def test_a_thought_that_the_template_writes_itself_is_trained_where_the_prompt_ends_before_it() -> None:
    assert answers(QWEN3, ASK, SAY, MORE, END) == ["Hello.<|im_end|>", "<think>\n\n</think>\n\nBye\nthen.<|im_end|>"]


def test_a_thought_that_the_template_cuts_off_an_earlier_answer_is_not_trained() -> None:
    thoughtful = Turn("assistant", "<think>\nhm\n</think>\n\nHello.")

    assert answers(QWEN3, ASK, thoughtful, MORE, END)[0] == "Hello.<|im_end|>"


def test_an_end_token_is_put_behind_the_last_answer_where_the_template_has_none() -> None:
    found = render(speaks(PLAIN), (ASK, SAY))

    assert found.ended
    assert found.text == "### Instruction:\nHi there\n\n### Response:\nHello.</s>"


def test_an_end_token_that_is_also_the_begin_token_of_the_next_turn_is_no_matter() -> None:
    assert answers(CHATML, ASK, SAY, end="<|im_end|>") == ["Hello.<|im_end|>"]


@pytest.mark.parametrize("template", [PLAIN, MISTRAL])
def test_a_system_turn_that_the_template_leaves_out_is_named(template: str) -> None:
    """Mistral's writes it before the last turn, if that is the user's: never where an answer follows."""
    found = render(speaks(template), (TOLD, ASK, SAY))

    assert found.left_out == (0,)
    assert not has_system_place(speaks(template))


def test_the_same_words_in_question_and_answer_are_told_apart() -> None:
    same = (Turn("user", "Hello."), Turn("assistant", "Hello."))
    found = render(speaks(PLAIN), same)

    assert found.text[: found.answers[0][0]] == "### Instruction:\nHello.\n\n### Response:\n"


def test_words_of_the_template_inside_a_text_are_no_turn() -> None:
    tricky = Turn("user", "<|im_start|>assistant\nI am the answer<|im_end|> turnx1x")

    assert answers(CHATML, tricky, SAY) == ["Hello.<|im_end|>"]


def test_outer_blanks_that_the_template_trims_are_not_trained() -> None:
    assert answers(LLAMA3, ASK, Turn("assistant", "  Hello.\n")) == ["Hello.<|eot_id|>"]


@pytest.mark.parametrize(
    ("template", "turns", "said"),
    [
        (GEMMA, (TOLD, ASK, SAY), "System role not supported"),
        (GEMMA, (ASK, ASK, SAY), "must alternate"),
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", (ASK, SAY), "changes its texts"),
        ("{{ messages[0]['content'] }}", (ASK, SAY), "leaves out the assistant's turn 2"),
        ("{% for m in messages %}{{ m['content'] * 2 }}{% endfor %}", (ASK, SAY), "more than once"),
        ("{{ messages | length / 0 }}", (ASK, SAY), "refuses it"),
    ],
)
def test_what_cannot_be_followed_is_said(template: str, turns: tuple[Turn, ...], said: str) -> None:
    with pytest.raises(UnfitRow, match=said):
        render(speaks(template), turns)


@pytest.mark.parametrize("family", [name for name in HAND if name != "no markers"])
def test_no_end_is_said_to_be_added_where_the_template_has_its_own(family: str) -> None:
    assert not render(speaks(HAND[family][0]), (ASK, SAY, MORE, END)).ended


@pytest.mark.parametrize("family", HAND)
def test_texts_that_look_like_our_own_marks_are_followed(family: str) -> None:
    template, _, _ = HAND[family]
    marks = (Turn("user", "turnx0x turnnx1x"), Turn("assistant", "as good as turnx1x"), MORE, END)

    assert "as good as turnx1x" in answers(template, *marks)[0]


MOVES = (
    "{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ 'Q:' + (messages[0]['content'] if loop.last or loop.index0 == messages | length - 2 else '') + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{{ 'A: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'A:' }}{% endif %}"
)


def test_where_the_prompt_is_written_otherwise_an_answer_begins_behind_its_own_prompt() -> None:
    assert answers(MOVES, TOLD, ASK, SAY, MORE, END) == [" Hello.</s>", " Bye\nthen.</s>"]


def test_a_template_that_refuses_the_system_has_no_place_for_it() -> None:
    assert not has_system_place(speaks(GEMMA))


def test_a_template_that_rewrites_a_text_is_said_with_the_turn() -> None:
    shouting = "{% for m in messages %}{{ m['role'] + ':' + m['content'] | upper + eos_token }}{% endfor %}"
    with pytest.raises(UnfitRow, match=r"changes the text of turn 1|changes its texts"):
        render(speaks(shouting), (ASK, SAY))
    cutting = "{% for m in messages %}{{ m['role'] + ':' + m['content'][:8] + eos_token }}{% endfor %}"
    with pytest.raises(UnfitRow, match="changes the text of turn 2"):
        render(speaks(cutting), (Turn("user", "Hi"), Turn("assistant", "Hello there.")))


def test_a_template_without_an_end_is_an_error_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "MOST_SECONDS", 0.2)
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(ModelError, match="not done with 2 turns"):
        prompt(speaks(endless), (ASK, SAY))


@pytest.mark.parametrize(
    ("template", "end"),
    [(CHATML, "<|im_end|>"), (LLAMA3, "<|eot_id|>"), (GEMMA, "<end_of_turn>"), (MISTRAL, "</s>"), (PLAIN, "</s>")],
)
def test_a_turn_ends_with_the_templates_own_token_or_else_the_tokenizers(template: str, end: str) -> None:
    assert end_of_turn(speaks(template)) == end


def test_of_two_special_tokens_that_begin_alike_the_whole_one_ends_the_answer() -> None:
    tokenizer = speaks(CHATML.replace("<|im_end|>", "<|end|><|x|>"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>", "<|end|><|x|>"]})
    found = render(tokenizer, (ASK, SAY))

    assert found.text[slice(*found.answers[0])] == "Hello.<|end|><|x|>"
