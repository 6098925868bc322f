"""Rows from which a model that writes can learn nothing, or not all: refused with their rows, or counted and named.

Every case goes through `affina train`: status 2, or a stated default that the recipe can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from affina.record import journal
from affina.record.payloads import Chosen, DataRead, Event, Finding
from workbench import Ended, affina, tiny, write_csv, write_jsonl

pytestmark = pytest.mark.slow  # whole runs, one after another

SHORT = ("train.epochs=1", "evaluate.resamples=20", "generate.max_new_tokens=4", "generate.shots=0")
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'Q: ' + m['content'] + '\\n' }}"
    "{% elif m['role'] == 'assistant' %}{{ 'A: ' + m['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'A: ' }}{% endif %}"
)
REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + NO_SYSTEM


def said(number: int, *more: dict[str, Any]) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"Hi, {number}."}, {"role": "assistant", "content": "Hello."}]
    return {"messages": [*turns, *more]}


def chats(*bad: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(said(number) for number in range(20)), *bad]


def train(folder: Path, *words: str, model: str | Path = "llama", file: str = "train.jsonl") -> Ended:
    found = model if isinstance(model, Path) else tiny(model)
    return affina("train", folder / file, f"model={found}", f"run={folder / 'run'}", *SHORT, *words)


def records_of(folder: Path) -> Sequence[Any]:
    return journal.read(folder / "run" / "record.jsonl")


def finding(folder: Path, name: str) -> Finding:
    [data] = [record for record in records_of(folder) if isinstance(record, DataRead)]
    [found] = [one for one in data.findings if one.name == name]
    return found


def check_refused(ended: Ended, folder: Path, *says: str) -> None:
    assert ended.status == 2, ended
    assert "Traceback" not in ended.err
    for part in ("expected:", "found:", "fix:", *says):
        assert part in ended.err, f"{part!r} is not in:\n{ended.err}"
    assert not (folder / "run").exists()


LONG = "please change my address and my phone number " * 9
"""More tokens than the tiny models' 64 positions."""


# Beyond the context


def test_an_answer_longer_than_the_context_is_cut_counted_and_named(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "Hi, 99."}, {"role": "assistant", "content": LONG}]}
    write_jsonl(tmp_path / "train.jsonl", chats(long))

    ended = train(tmp_path, "data.validation=0.1")
    assert ended.status == 0, ended.err
    found = finding(tmp_path, "answers_cut")
    assert found.count == 1
    assert found.examples[0].endswith("train.jsonl, row 21 (line 21)")
    assert "go on beyond the limit" in found.meaning
    assert "their ends are not learned" in found.meaning
    assert "data.too_long=drop" in found.advice
    assert finding(tmp_path, "too_long").count == 1
    assert "answers go on beyond the limit" in " ".join(ended.out.split())


def test_an_answer_longer_than_the_context_is_dropped_or_refused_as_the_recipe_says(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "Hi, 99."}, {"role": "assistant", "content": LONG}]}
    write_jsonl(tmp_path / "train.jsonl", chats(long))

    check_refused(train(tmp_path, "data.too_long=error"), tmp_path, "row 21", "data.too_long")
    dropped = train(tmp_path, "data.too_long=drop")
    assert dropped.status == 0, dropped.err
    found = finding(tmp_path, "too_long")
    assert "dropped from train" in found.meaning
    assert (found.count, found.examples[0].endswith("row 21 (line 21)")) == (1, True)


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_a_prompt_that_alone_fills_the_context_is_refused_or_left_out(tmp_path: Path, model: str) -> None:
    """Of an encoder-decoder the prompt is cut and its answer is whole: that is learned, and the cut is counted."""
    full = {"messages": [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Hello."}]}
    write_jsonl(tmp_path / "train.jsonl", chats(full))
    limit = "data.max_length=60"

    ended = train(tmp_path, limit, model=model)
    if model == "t5":
        assert ended.status == 0, ended.err
        assert finding(tmp_path, "too_long").examples[0].endswith("row 21 (line 21)")
        return
    check_refused(ended, tmp_path, "row 21", "nothing of its answer is left", "60 tokens", "data.unfit=drop")
    dropped = train(tmp_path, limit, "data.unfit=drop")
    assert dropped.status == 0, dropped.err
    assert finding(tmp_path, "answers_cut_away").count == 1


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_a_run_with_every_target_cut_away_is_refused_whatever_the_recipe_says(tmp_path: Path, policy: str) -> None:
    rows = [(f"{number} {LONG}", "yes") for number in range(20)]
    write_csv(tmp_path / "train.csv", rows, header="question,answer")
    ended = train(tmp_path, "task=chat", f"data.unfit={policy}", file="train.csv")

    check_refused(ended, tmp_path, "nothing of its answer is left", "row 1 ")


def test_a_question_beyond_the_context_is_counted_when_it_is_asked(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", chats())
    write_jsonl(tmp_path / "test.jsonl", [said(50), {"messages": [*said(0)["messages"], *said(51)["messages"]] * 2}])
    ended = train(tmp_path, f"data.test={tmp_path / 'test.jsonl'}", "generate.max_new_tokens=40")

    assert ended.status == 0, ended.err
    told = [record.text for record in records_of(tmp_path) if isinstance(record, Event)]
    beyond = [text for text in told if "questions alone have more than the 24 tokens that there is room for" in text]
    assert beyond
    assert all("row 2 (line 2) the first of them" in text for text in beyond)


@pytest.mark.parametrize(("words", "status"), [("generate.max_new_tokens=64", 2), ("generate.max_new_tokens=63", 0)])
def test_texts_that_leave_a_question_no_room_are_refused(tmp_path: Path, words: str, status: int) -> None:
    write_jsonl(tmp_path / "train.jsonl", chats())
    ended = train(tmp_path, words, "evaluate.baselines=false")

    assert ended.status == status, ended.err
    if status:
        check_refused(ended, tmp_path, "generate.max_new_tokens", "less than the 64 tokens")


def test_texts_that_are_cut_off_and_answers_that_are_longer_are_counted_and_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", chats())
    test = write_jsonl(tmp_path / "test.jsonl", [said(50), said(51)])
    ended = train(tmp_path, f"data.test={test}", "generate.max_new_tokens=1")

    assert ended.status == 0, ended.err
    told = [record.text for record in records_of(tmp_path) if isinstance(record, Event) and record.name == "tuned"]
    assert len(told) == 1
    assert told[0].startswith("2 of 2 texts had not ended after generate.max_new_tokens=1 and are cut off there: ")
    assert "test.jsonl, row 1 (line 1), " in told[0]
    [most] = [r for r in records_of(tmp_path) if isinstance(r, Chosen) and r.key == "generate.max_new_tokens"]
    assert "17 of 17 training answers are longer, and such a text is cut off" in most.reason
    again = affina("evaluate", tmp_path / "run", test, "--json")
    assert "2 of 2 texts had not ended" in " ".join(again.err.split())


def test_what_auto_writes_at_the_most_is_said_with_the_answers_that_are_longer(tmp_path: Path) -> None:
    rows = [(f"number {k}", ("my card is lost " * 12 if k % 2 else "no")) for k in range(20)]
    write_csv(tmp_path / "train.csv", rows, header="question,answer")
    ended = train(tmp_path, "task=chat", "generate.max_new_tokens=auto", file="train.csv")

    assert ended.status == 0, ended.err
    [most] = [r for r in records_of(tmp_path) if isinstance(r, Chosen) and r.key == "generate.max_new_tokens"]
    assert most.value == 32
    assert "at most 32 where the recipe does not say: half of the model's 64 tokens" in most.reason
    assert "10 of 17 training answers are longer" in most.reason


# What a row says


MIXED = {
    "prompts": {"prompt": "Hi", "completion": "Hello."},
    "ShareGPT": {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
    "questions": {"question": "Hi", "answer": "Hello."},
}


@pytest.mark.parametrize("other", MIXED)
def test_several_formats_in_one_file_are_refused_with_their_rows(tmp_path: Path, other: str) -> None:
    write_jsonl(tmp_path / "train.jsonl", chats(MIXED[other]))
    ended = train(tmp_path)

    check_refused(
        ended, tmp_path, "all rows in one format, with messages", "row 21 (line 21)", "data.train=[FILE, FILE]"
    )


TRANSLATIONS = {
    "the source is empty": ("", "ein Hund"),
    "the target is empty": ("a dog", " "),
    "source and target are the same text": ("a dog", "a dog"),
}


@pytest.mark.parametrize("model", ["t5", "llama"])
@pytest.mark.parametrize("reason", TRANSLATIONS)
def test_a_translation_that_teaches_nothing_is_refused_or_left_out(tmp_path: Path, reason: str, model: str) -> None:
    rows = [(f"number {k}", f"Nummer {k}") for k in range(20)]
    write_csv(tmp_path / "train.csv", [*rows, TRANSLATIONS[reason]], header="en,de")

    check_refused(train(tmp_path, file="train.csv", model=model), tmp_path, "row 21", reason, "data.unfit=drop")
    dropped = train(tmp_path, "data.unfit=drop", file="train.csv", model=model)
    assert dropped.status == 0, dropped.err
    assert finding(tmp_path, "unfit_rows").count == 1


def model_with(folder: Path, template: str) -> Path:
    """The tiny decoder with a chat template."""
    for file in tiny("llama").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("template", [NO_SYSTEM, REFUSES_SYSTEM])
def test_a_template_that_drops_the_system_turn_is_an_error_unless_the_recipe_says(
    tmp_path: Path, template: str
) -> None:
    model = model_with(tmp_path_of(tmp_path, "model"), template)
    told = {"messages": [{"role": "system", "content": "Be kind."}, *said(50)["messages"]]}
    write_jsonl(tmp_path / "train.jsonl", chats(told))

    ended = train(tmp_path, model=model)
    check_refused(ended, tmp_path, "row 21", "no place for what the system says", "task.no_place=user")
    assert "task.no_place=drop" in ended.err

    for policy, shown in (("user", "before what the user says first"), ("drop", "nowhere: it is left out")):
        kept = train(tmp_path, f"task={{name: chat, no_place: {policy}}}", "run=" + str(tmp_path / policy), model=model)
        assert kept.status == 0, kept.err
        records = journal.read(tmp_path / policy / "record.jsonl")
        [chosen] = [one for one in records if isinstance(one, Chosen) and one.key == "task (system)"]
        assert chosen.value == shown


def tmp_path_of(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made
