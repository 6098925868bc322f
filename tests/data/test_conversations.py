"""Conversations in the formats people have, and what is wrong with the ones that nobody can learn from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from affina.data.conversations import Turn, check, dump, from_answer, from_turns, parse
from affina.errors import UnfitRow

HELLO = (Turn("user", "Hi"), Turn("assistant", "Hello."))


@pytest.mark.parametrize(
    "written",
    [
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}],
        [{"role": "User ", "content": "Hi"}, {"role": "model", "content": "Hello."}],
        [
            {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
            {"role": "assistant", "content": "Hello.", "weight": 1},
        ],
    ],
)
def test_a_conversation_is_the_same_in_every_format(written: Any) -> None:
    assert from_turns(written) == HELLO


def test_a_question_and_an_answer_are_a_conversation() -> None:
    assert from_answer("Hi", "Hello.") == HELLO
    assert from_answer("Sum up", "Short.", extra="Long.", system="Be brief.") == (
        Turn("system", "Be brief."),
        Turn("user", "Sum up\n\nLong."),
        Turn("assistant", "Short."),
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hi", "no list of turns but a text"),
        (None, "but null"),
        (["Hi"], "turn 1 is no object"),
        ([{"role": "wizard", "content": "Hi"}], "the role 'wizard'"),
        ([{"content": "Hi"}], "no role"),
        ([{"role": None, "content": "Hi"}], "no role"),
        ([{"role": "user"}], "turn 1 has no text"),
        ([{"role": "user", "content": None}], "the text of turn 1 is null"),
        ([{"role": "user", "content": 5}], "is a number"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "a part that is no text"),
    ],
)
def test_what_is_no_conversation_is_said(written: Any, said: str) -> None:
    with pytest.raises(UnfitRow, match=said):
        from_turns(written)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ((), "without a turn"),
        ((Turn("user", "Hi"),), "the assistant says nothing"),
        ((*HELLO, Turn("user", "And?")), "ends with the user"),
        ((Turn("user", "Hi"), Turn("user", "Hi?"), HELLO[1]), "turns 1 and 2 are both the user's"),
        ((HELLO[1], *HELLO), "before the user has said anything"),
        ((Turn("user", "Hi"), Turn("assistant", " \n")), "turn 2 is an empty answer"),
        ((Turn("user", ""), HELLO[1]), "turn 1 is an empty text of the user"),
        ((*HELLO, Turn("system", "Be kind."), *HELLO), "turn 3 is the system's"),
    ],
)
def test_what_an_assistant_cannot_learn_from_is_said(turns: tuple[Turn, ...], said: str) -> None:
    with pytest.raises(UnfitRow, match=said):
        check(turns)


def test_a_conversation_with_a_system_turn_is_fine() -> None:
    check((Turn("system", "Be kind."), *HELLO, *HELLO))


@given(some.lists(some.tuples(some.sampled_from(("system", "user", "assistant")), some.text())))
def test_what_is_written_down_reads_back(turns: Any) -> None:
    made = tuple(Turn(role, content) for role, content in turns)

    assert parse(dump(made)) == made
