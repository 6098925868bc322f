"""Which answers of a run that writes are asked for word for word, after what, and what comes of it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from risk_cases import value, writer

from affina.data.conversations import Turn, dump
from affina.data.rows import Row
from affina.models.ending import decoded
from affina.models.writing import Written
from affina.pipeline.writing import fitted
from affina.risks.memorising import LEAST_TOKENS
from affina.tasks.chat import ROLE, Chat, choose_template
from affina.tasks.lessons import Reading

LONG = "your card {} is on its way and will arrive within a few days, please wait for it and tell us then"


def conversation(number, *, first, last):
    said = ("user", f"where is {number}"), ("assistant", first), ("user", "thanks"), ("assistant", last)
    return Row({ROLE: dump([Turn(role, text) for role, text in said])}, "chats.jsonl", number=number, line=number)


def taught(rows):
    """What of a run is looked at: a model without a limit, and the conversations as it reads them."""
    model = replace(writer(), max_length=None)
    choose_template(model.tokenizer)
    reading, teacher = Reading(model), Chat(model.tokenizer)
    passages = {split: reading.encode([teacher.lesson(row) for row in some]) for split, some in rows.items()}
    return SimpleNamespace(model=model, reading=reading, rows=rows, passages=passages)


def long_first(numbers):
    return [conversation(number, first=LONG.format(number), last="ok") for number in numbers]


def probe_of(subject):
    lengths = {split: [len(passage) for passage in some] for split, some in subject.passages.items()}
    evaluate = SimpleNamespace(confidence=0.95)
    run = SimpleNamespace(subject=SimpleNamespace(lengths=lengths), recipe=SimpleNamespace(seed=3, evaluate=evaluate))
    allowance = SimpleNamespace(refused=lambda *_, **__: None, rows=lambda *_, **__: 40)
    return fitted._memorising(subject, run, allowance, SimpleNamespace(show=lambda _: None))


@pytest.fixture
def knows_by_heart(monkeypatch):
    """A model that says to each prompt of a training conversation what followed there, and else nothing of it."""

    def learned(subject, prompts):
        def write(model, asked, how, *, progress):
            prompts.extend(decoded(model, ids) for ids in asked)
            found = []
            for ids in asked:
                after = [one.ids[len(ids) :] for one in subject.passages["train"] if one.ids[: len(ids)] == tuple(ids)]
                text = decoded(model, after[0][: how.most_tokens]) if after else "that is not known"
                found.append(Written(text, how.most_tokens, ended=False))
            return found

        monkeypatch.setattr(fitted, "write", write)

    return learned


def test_a_long_first_answer_that_is_known_by_heart_is_found_where_the_last_turn_says_ok(knows_by_heart):
    subject = taught({"train": long_first(range(40)), "validation": long_first(range(50, 90))})
    prompts = []
    knows_by_heart(subject, prompts)
    found = probe_of(subject).after()
    assert found.outcome == "flagged"
    assert value(found, "reproduced", "training rows").value == 1
    assert value(found, "reproduced", "validation rows").value == 0
    assert all("thanks" not in prompt for prompt in prompts), "the first turn is asked for, on both sides"
    assert "of a conversation the longest one" in found.notes[0]


def test_a_conversation_of_short_answers_is_not_looked_at_however_many_it_has():
    short = [conversation(number, first="on its way", last="it comes soon") for number in range(30)]
    subject = taught({"train": short, "validation": short})
    assert subject.passages["train"][0].targets >= LEAST_TOKENS, "together"
    assert fitted.long_answers(subject, "train", count=40, seed=0) == []


def test_which_answers_are_asked_for_is_the_seed_s_to_say():
    subject = taught({"train": long_first(range(60))})
    first, again, other = (fitted.long_answers(subject, "train", count=40, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 40
