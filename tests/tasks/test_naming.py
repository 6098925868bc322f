"""A classification in words: what is asked and what is learned of a row."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from affina.data.rows import Row
from affina.errors import UnfitRow
from affina.tasks.naming import Naming

TOKENIZER: Any = SimpleNamespace(eos_token="</s>")


def row(**fields: str) -> Row:
    return Row(fields, "a.csv", 1, 2)


def test_the_label_is_learned_with_its_end() -> None:
    lesson = Naming(TOKENIZER).lesson(row(text="my card is lost", label="lost_card"))

    assert lesson.text == "my card is lost\nLabel: lost_card</s>"
    assert [lesson.text[start:end] for start, end in lesson.learned] == [" lost_card</s>"]
    assert lesson.plain


def test_the_question_is_what_stands_before_the_label() -> None:
    task, given = Naming(TOKENIZER, instruction="What is it about?\n", cue="Topic:"), row(text="a", label="b")

    assert task.question(given).text == "What is it about?\na\nTopic:"
    assert task.lesson(given).text == task.question(given).text + " b</s>"
    assert task.answer(given) == "b"


def test_both_texts_of_a_pair_are_asked() -> None:
    assert Naming(TOKENIZER).question(row(text="a", text_pair="b")).text == "a\nb\nLabel:"


def test_without_a_text_the_cue_stands_behind_the_shots_alone() -> None:
    shot = row(text="a", label="b")

    assert Naming(TOKENIZER).no_question(shots=[shot]).text == "a\nLabel: b\n\n\nLabel:"


def test_an_encoder_decoder_reads_the_question_and_writes_the_label() -> None:
    lesson = Naming(TOKENIZER, reads_apart=True).lesson(row(text="a", label="b"))

    assert (lesson.source, lesson.text) == ("a\nLabel:", "b")


@pytest.mark.parametrize(("text", "label", "said"), [(" ", "b", "the text is empty"), ("a", "", "the label is empty")])
def test_an_empty_side_is_unfit(text: str, label: str, said: str) -> None:
    with pytest.raises(UnfitRow, match=said):
        Naming(TOKENIZER).lesson(row(text=text, label=label))
