"""What chat and generation make of a row: lesson, question, answer; with shots, for decoders and encoder-decoders."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from affina.data.conversations import Turn, dump
from affina.data.rows import Row
from affina.errors import UnfitRow
from affina.models.languages import Direction
from affina.tasks.chat import Chat, choose_template
from affina.tasks.generation import Generation
from affina.tasks.lessons import Lesson
from affina.tasks.translation import Translation

TOKENIZER: Any = SimpleNamespace(eos_token="</s>")


def row(**fields: str) -> Row:
    return Row(fields, "a.csv", 1, 2)


def learned(lesson: Lesson) -> list[str]:
    return [lesson.text[start:end] for start, end in lesson.learned]


def test_of_an_input_and_an_output_the_output_is_learned() -> None:
    lesson = Generation(TOKENIZER).lesson(row(text="name[Zizzi]", label="Zizzi is a pub."))

    assert lesson.text == "name[Zizzi]\nZizzi is a pub.</s>"
    assert learned(lesson) == ["Zizzi is a pub.</s>"]
    assert lesson.plain


def test_a_text_alone_is_learned_whole() -> None:
    lesson = Generation(TOKENIZER, continues=True).lesson(row(text="Once upon a time.", label=""))

    assert learned(lesson) == [lesson.text] == ["Once upon a time.</s>"]


def test_the_question_is_what_stands_before_the_output() -> None:
    task, given = Generation(TOKENIZER, instruction="Describe: "), row(text="x", label="y")

    assert task.lesson(given).text == task.question(given).text + "y</s>" == "Describe: x\ny</s>"


def test_shots_are_inputs_with_their_outputs() -> None:
    found = Generation(TOKENIZER).question(row(text="x", label="y"), shots=[row(text="a", label="b")])

    assert found.text == "a\nb\n\nx\n"


def test_an_encoder_decoder_reads_the_input_and_writes_the_output() -> None:
    lesson = Generation(TOKENIZER, reads_apart=True).lesson(row(text="x", label="y"))

    assert (lesson.source, lesson.text) == ("x", "y")


@pytest.mark.parametrize("fields", [{"text": "x", "label": " "}, {"text": "", "label": "y"}])
def test_an_empty_side_is_unfit(fields: dict[str, str]) -> None:
    with pytest.raises(UnfitRow, match="is empty"):
        Generation(TOKENIZER).lesson(row(**fields))


class Speaks:
    """As much of a tokenizer as a template needs."""

    def __init__(self) -> None:
        self.eos_token = "</s>"
        self.bos_token_id: int | None = None
        self.all_special_tokens = [self.eos_token]
        self.added_tokens_decoder: dict[int, Any] = {}
        self.chat_template: str | None = None

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize
        said = [f"{m['role'][0]}:{m['content']}" + ("</s>" if m["role"] == "assistant" else "") for m in messages]
        return "|".join(said) + ("|a:" if add_generation_prompt else "")


TOLD = (Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Hello."))


def test_chat_learns_the_answers_and_asks_up_to_the_last() -> None:
    task, given = Chat(Speaks()), row(messages=dump(TOLD))

    assert learned(task.lesson(given)) == ["Hello.</s>"]
    assert task.question(given).text == "s:Be kind.|u:Hi|a:"
    assert task.answer(given) == "Hello."


def test_the_turns_of_shots_go_between_the_system_turn_and_the_question() -> None:
    shot = row(messages=dump((Turn("system", "Other."), Turn("user", "1?"), Turn("assistant", "1!"))))
    found = Chat(Speaks()).question(row(messages=dump(TOLD)), shots=[shot])

    assert found.text == "s:Be kind.|u:1?|a:1!</s>|u:Hi|a:"


def test_an_encoder_decoder_reads_the_conversation_in_words() -> None:
    task = Chat(Speaks(), reads_apart=True)
    longer = (*TOLD, Turn("user", "Bye"), Turn("assistant", "So long."))

    assert task.lesson(row(messages=dump(TOLD[1:]))).source == "Hi"
    assert task.lesson(row(messages=dump(longer))).source == "Be kind.\nUser: Hi\nAssistant: Hello.\nUser: Bye"
    assert task.lesson(row(messages=dump(longer))).text == "So long."


def test_a_model_without_a_template_gets_one_and_it_is_said() -> None:
    tokenizer = Speaks()
    chosen = choose_template(tokenizer)

    assert tokenizer.chat_template
    assert "saved with it" in chosen.reason
    assert choose_template(tokenizer).value == "the model's own"


def test_the_template_begins_as_the_tokenizer_begins_a_text() -> None:
    class Begins(Speaks):
        bos_token, begins = "<s>", True

        def __call__(self, text: str) -> dict[str, list[int]]:
            return {"input_ids": [1, *map(ord, text)][not self.begins :]}

    tokenizer = Begins()
    tokenizer.bos_token_id = 1
    assert "<s> in front" in choose_template(tokenizer).reason
    assert str(tokenizer.chat_template).startswith("{{ bos_token }}")
    tokenizer.begins, tokenizer.chat_template = False, None
    assert "in front" not in choose_template(tokenizer).reason
    assert "bos_token" not in str(tokenizer.chat_template)


def translation(*, reads_apart: bool) -> Translation:
    told = Direction(before=">>fra<< ")
    return Translation(TOKENIZER, reads_apart=reads_apart, direction=told, languages=("en", "fr"))


def test_an_encoder_decoder_reads_the_source_and_writes_the_target() -> None:
    lesson = translation(reads_apart=True).lesson(row(text="a cat", label="un chat"))

    assert (lesson.source, lesson.text) == (">>fra<< a cat", "un chat")


def test_a_decoder_is_asked_in_words_and_learns_the_target() -> None:
    task, given = translation(reads_apart=False), row(text="a cat", label="un chat")

    assert task.lesson(given).text == "Translate from English to French.\na cat\nun chat</s>"
    assert learned(task.lesson(given)) == ["un chat</s>"]
    shots = [row(text="a dog", label="un chien")]
    assert task.question(given, shots=shots).text == "Translate from English to French.\na dog\nun chien\n\na cat\n"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [("", "un chat", "source is empty"), ("a cat", " ", "target is empty"), ("a cat ", "a cat", "the same text")],
)
def test_a_pair_that_teaches_nothing_is_unfit(source: str, target: str, said: str) -> None:
    with pytest.raises(UnfitRow, match=said):
        translation(reads_apart=True).lesson(row(text=source, label=target))


class NoSystem(Speaks):
    """A template that leaves out what the system says."""

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        heard = [message for message in messages if message["role"] != "system"]
        return super().apply_chat_template(heard, tokenize=tokenize, add_generation_prompt=add_generation_prompt)


def test_what_the_system_says_is_not_dropped_quietly() -> None:
    given = row(messages=dump(TOLD))

    with pytest.raises(UnfitRow, match="no place for what the system says"):
        Chat(NoSystem()).lesson(given)
    assert Chat(NoSystem(), no_place="user").lesson(given).text.startswith("u:Be kind.\n\nHi|a:Hello.")
    assert Chat(NoSystem(), no_place="drop").question(given).text == "u:Hi|a:"
    assert Chat(Speaks(), no_place="drop").question(given).text == "s:Be kind.|u:Hi|a:"


class Forgets(Speaks):
    """A template that keeps the last question alone."""

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        heard = [message for message in messages if message["role"] == "system"] + list(messages[-2:])
        return super().apply_chat_template(heard, tokenize=tokenize, add_generation_prompt=add_generation_prompt)


def test_a_turn_that_the_template_leaves_out_is_said() -> None:
    turns = (Turn("user", "One?"), Turn("assistant", "One."), Turn("user", "Two?"), Turn("assistant", "Two."))

    with pytest.raises(UnfitRow, match="leaves out"):
        Chat(Forgets()).lesson(row(messages=dump(turns)))
