"""Shots are drawn with a seed among fit rows, are not the same answer again and again, and fit into the context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from affina.data.rows import Row
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.models.writing import HowToWrite, Written
from affina.pipeline.writing.writer import Writer
from affina.tasks.generation import Generation
from affina.tasks.lessons import Reading
from affina.tasks.shots import Asked, ask_all, draw_shots, question_room
from affina.tasks.text_ends import Ends
from tiny_models import make_bart, make_tiny


def row(given: str, output: str) -> Row:
    return Row({"text": given, "label": output}, "a.csv", 1, 2)


ROWS = [row(f"is it {number}", f"it is {number}") for number in range(30)]


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    return load_language_model(locate(str(make_tiny("gpt2", tmp_path))))


@pytest.fixture
def task(model: LanguageModel) -> Generation:
    return Generation(model.tokenizer)


def test_the_draw_is_decided_by_the_seed(task: Generation) -> None:
    drawn = draw_shots(task, ROWS, count=4, seed=1)

    assert drawn == draw_shots(task, ROWS, count=4, seed=1)
    assert drawn != draw_shots(task, ROWS, count=4, seed=2)
    assert len({shot.fields["text"] for shot in drawn}) == 4


def test_rows_that_cannot_be_trained_on_are_no_shots(task: Generation) -> None:
    rows = [row("a", " "), row("", "b"), row("c", "d")]

    assert draw_shots(task, rows, count=3, seed=0) == (rows[2],)


def test_no_answer_comes_again_while_another_has_not_come(task: Generation) -> None:
    rows = [row(f"{number}", "often" if number % 10 else f"seldom {number}") for number in range(30)]
    for seed in range(10):
        answers = [task.answer(shot) for shot in draw_shots(task, rows, count=4, seed=seed)]
        assert sorted(answers) == ["often", "seldom 0", "seldom 10", "seldom 20"]
    more = [task.answer(shot) for shot in draw_shots(task, rows, count=6, seed=0)]

    assert sorted(more[:4]) == ["often", "seldom 0", "seldom 10", "seldom 20"]
    assert more[4:] == ["often", "often"]


def test_all_shots_stand_before_a_question_that_has_room_for_them(model: LanguageModel, task: Generation) -> None:
    reading, told = Reading(model), list[str]()
    asked = ask_all(task, reading, ROWS[:3], shots=ROWS[5:7], room=None, notify=told.append)

    assert [one.shots for one in asked] == [2, 2, 2]
    assert model.tokenizer.decode(asked[0].ids) == "is it 5\nit is 5\n\nis it 6\nit is 6\n\nis it 0\n"
    assert told == []


def test_an_answer_after_pairs_of_texts_ends_where_the_next_pair_would_begin(
    model: LanguageModel, task: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The untouched model has learned no end token: it goes on with pairs of its own, which are no answer."""
    asked: list[Sequence[str]] = []

    def write(_model: object, prompts: Sequence[object], _how: object, *, until: Sequence[str], **_: object) -> object:
        asked.append(until)
        return [Written("it is 0", 9, True)] * len(prompts)

    monkeypatch.setattr("affina.pipeline.writing.writer.write", write)
    writer = Writer(model=model, teacher=task, reading=Reading(model), how=HowToWrite(most_tokens=9), alone=False)
    writer.write(ROWS[:2], shots=ROWS[5:6])
    writer.write(ROWS[:2])

    between = task.question(ROWS[0], shots=ROWS[5:6]).text.split("it is 5")[1].split("is it 0")[0]
    assert asked == [[between, between], ["", ""]]


def test_as_many_shots_as_fit_and_it_is_said(model: LanguageModel, task: Generation) -> None:
    reading, told = Reading(model), list[str]()
    rows = [row("x", "y"), row("my card is lost", "y")]
    lengths = [[len(reading.ask(task.question(one, shots=ROWS[:count]))) for count in range(4)] for one in rows]
    room = lengths[0][2]
    asked = ask_all(task, reading, rows, shots=ROWS[:3], room=room, notify=told.append)

    assert lengths[1][1] <= room < lengths[1][2]
    assert [one.shots for one in asked] == [2, 1]
    assert all(len(one.ids) <= room for one in asked)
    assert told == [
        "2 of 2 questions have fewer than the 3 shots that were asked for before them, at least 1: a question has room"
        f" for {room} tokens"
    ]


def test_a_question_that_is_too_long_alone_is_asked_whole_and_counted(model: LanguageModel, task: Generation) -> None:
    reading, told = Reading(model), list[str]()
    asked = ask_all(task, reading, [ROWS[0], row("x", "y")], shots=(), room=4, notify=told.append)

    assert asked[0].ids == reading.ask(task.question(ROWS[0]))
    assert len(asked[0].ids) > 4
    assert told == [
        "1 of 2 questions alone have more than the 4 tokens that there is room for, and lose what is beyond, "
        f"{ROWS[0].where} the first of them"
    ]


@pytest.mark.parametrize(
    ("room", "from_end", "kept"), [(2, False, (3, 4)), (2, True, (1, 2)), (0, False, (4,)), (4, True, (1, 2, 3, 4))]
)
def test_a_question_loses_what_there_is_no_room_for(room: int, from_end: bool, kept: tuple[int, ...]) -> None:
    asked = Asked((1, 2, 3, 4), 0).within(room, Ends(), from_end=from_end)

    assert (asked.ids, asked.cut) == (kept, 4 - len(kept))


def test_in_a_talk_a_question_without_room_keeps_its_end(tmp_path: Path) -> None:
    model = load_language_model(locate(str(make_bart(tmp_path))))
    task = Generation(model.tokenizer, reads_apart=True)
    writer = Writer(model=model, teacher=task, reading=Reading(model), how=HowToWrite(most_tokens=4), alone=False)
    rows = [row("where is my card " * 60, "here")]
    whole = Reading(model).ask(task.question(rows[0]))
    room = question_room(model, answer=4)

    [asked], [said] = writer.ask(rows), writer.ask(rows, in_talk=True)
    assert room is not None
    assert (asked.ids, said.ids) == (whole[:room], whole[-room:])
    assert asked.cut == said.cut == len(whole) - room > 0


def test_a_decoder_shares_its_context_with_the_answer(model: LanguageModel, tmp_path: Path) -> None:
    apart = load_language_model(locate(str(make_bart(tmp_path / "apart"))))

    assert question_room(model, answer=10) == 54
    assert question_room(apart, answer=10) == apart.max_length
    assert question_room(model, answer=100) == 0
