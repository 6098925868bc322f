"""The rows of chat, generation and translation: what is asked, what is to be written, and what is unfit."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from affina.data import taking
from affina.data.conversations import Turn, dump, parse
from affina.data.gathering import read_again
from affina.data.items import Item
from affina.data.loading import Loaded, data_read, load
from affina.data.streaming import load_streamed
from affina.data.written.again import written_rows
from affina.errors import DataError, RecipeError
from affina.recipe.load import check_recipe
from affina.recipe.task_specs import ChatSpec, GenerationSpec, TranslationSpec

REAL = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jsonl(rows: Sequence[Any], name: str = "a.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def loaded(task: Any = "auto", train: Any = "a.jsonl", **keys: Any) -> Loaded:
    recipe = check_recipe({"data": {"train": train, "validation": 0.2, "test": "none", **keys}, "task": task})
    return load(recipe.data, seed=0, task=recipe.task)


def rows_of(result: Loaded) -> list[dict[str, str]]:
    rows = sorted((*result.splits.train, *result.splits.validation), key=lambda row: row.number)
    return [dict(row.fields) for row in rows]


def problem_of(task: Any = "auto", **keys: Any):
    with pytest.raises(DataError) as caught:
        loaded(task, **keys)
    return caught.value.problems[0]


def said(number: int, role: str = "role", content: str = "content", names: str = "user assistant") -> list[Any]:
    user, assistant = names.split()
    return [{role: user, content: f"Hi {number}"}, {role: assistant, content: f"Hello {number}."}]


def turns(number: int) -> tuple[Turn, ...]:
    return Turn("user", f"Hi {number}"), Turn("assistant", f"Hello {number}.")


FORMATS = {
    "messages.jsonl": [{"messages": said(number)} for number in range(20)],
    "list.json": [{"messages": said(number)} for number in range(20)],
    "sharegpt.jsonl": [
        {"id": str(number), "conversations": said(number, "from", "value", "human gpt")} for number in range(20)
    ],
    "pairs.jsonl": [{"prompt": f"Hi {number}", "completion": f"Hello {number}."} for number in range(20)],
    "alpaca.jsonl": [
        {"instruction": f"Hi {number}", "input": "", "output": f"Hello {number}."} for number in range(20)
    ],
    "questions.csv": [{"question": f"Hi {number}", "answer": f"Hello {number}."} for number in range(20)],
    "cells.csv": [{"messages": json.dumps(said(number))} for number in range(20)],
    "as python.csv": [{"messages": repr(said(number))} for number in range(20)],
    "nested.parquet": [{"messages": said(number)} for number in range(20)],
    "large.parquet": [
        {"conversations": said(number, "from", "value", "human gpt"), "tags": ["a"]} for number in range(20)
    ],
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_is_the_same_row_in_every_format(name):
    rows = FORMATS[name]
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), name)
    elif name.endswith(".csv"):
        with Path(name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(rows))
    else:
        jsonl(rows, name)
    result = loaded(train=name)
    assert result.labelling.name == "chat"
    assert rows_of(result) == [
        {"text": f"Hi {number}", "label": f"Hello {number}.", "messages": dump(turns(number))} for number in range(20)
    ]


def two_spellings(others: int = 3) -> list[dict[str, Any]]:
    """Twenty rows of which the first ones name the speakers in another way."""
    odd = [{"messages": said(number, "from", "value", "human gpt")} for number in range(others)]
    return [*odd, *({"messages": said(number)} for number in range(others, 20))]


@pytest.mark.parametrize("in_parts", [False, True])
def test_conversations_of_two_spellings_are_all_read_and_the_fewer_are_told(in_parts, monkeypatch):
    jsonl(two_spellings())
    if in_parts:
        monkeypatch.setattr(taking, "LARGE_BYTES", 10)
        monkeypatch.setattr(taking, "_PART", 4)

    result = loaded()

    assert [row["label"] for row in rows_of(result)] == [f"Hello {number}." for number in range(20)]
    [finding] = [one for one in result.findings if one.name == "other_spellings"]
    assert finding.count == 3
    assert "by from, most by role; all of them are read" in finding.meaning
    assert finding.examples == tuple(f"a.jsonl, row {number} (line {number})" for number in (1, 2, 3))


def test_of_two_spellings_with_as_many_rows_none_is_called_most():
    jsonl(two_spellings(10))

    [finding] = [one for one in loaded().findings if one.name == "other_spellings"]
    assert finding.count == 10
    assert "as many by" in finding.meaning
    assert "most" not in finding.meaning


@pytest.mark.parametrize("spelling", [("role", "content", "user assistant"), ("from", "value", "human gpt")])
def test_one_spelling_is_not_told_even_where_another_is_talked_about(spelling):
    rows = [{"messages": said(number, *spelling)} for number in range(20)]
    for row in rows:
        row["messages"][0][spelling[1]] += ' {"from": "me", "role": "user"} or {\'from\': 1, \'role\': 2}'
    jsonl(rows)

    assert "other_spellings" not in {one.name for one in loaded().findings}


def test_several_turns_are_told_with_their_roles_and_the_system_stays_in_the_conversation():
    told = [{"role": "system", "content": "Be brief."}]
    jsonl([{"messages": [*told, *said(number), *said(number + 100)]} for number in range(20)])
    first = rows_of(loaded())[0]
    assert first["text"] == "User: Hi 0\nAssistant: Hello 0.\nUser: Hi 100"
    assert first["label"] == "Hello 100."
    assert parse(first["messages"]) == (Turn("system", "Be brief."), *turns(0), *turns(100))


def test_system_words_come_from_the_conversation_else_its_column_else_the_recipe():
    own = [{"role": "system", "content": "Own."}]
    jsonl(
        [{"system": "Column.", "messages": own + said(0)}, {"system": "Column.", "messages": said(1)}]
        + [{"system": "", "messages": said(number)} for number in range(2, 20)]
    )
    rows = rows_of(loaded({"name": "chat", "system": "Recipe."}))
    assert [parse(row["messages"])[0].content for row in rows[:3]] == ["Own.", "Column.", "Recipe."]
    assert {row["text"] for row in rows[:3]} == {"Hi 0", "Hi 1", "Hi 2"}
    none = rows_of(loaded(system="none"))
    assert parse(none[1]["messages"]) == turns(1)


def test_context_is_put_under_the_prompt():
    jsonl([{"instruction": f"Sum up {n}", "input": "A long text." if n % 2 else " ", "output": "x"} for n in range(20)])
    for task in ("chat", "generation"):
        assert [row["text"] for row in rows_of(loaded(task))[:2]] == ["Sum up 0", "Sum up 1\n\nA long text."]
    assert rows_of(loaded(context="none"))[1]["text"] == "Sum up 1"


def test_an_answer_beside_the_conversation_is_its_last_turn():
    jsonl([{"messages": said(number)[:1], "chosen": f"good {number}", "rejected": "bad"} for number in range(20)])
    row = rows_of(loaded(messages="messages", completion="chosen"))[4]
    assert (row["text"], row["label"]) == ("Hi 4", "good 4")
    assert parse(row["messages"])[-1] == Turn("assistant", "good 4")


def test_texts_keep_their_letters_and_groups_stay():
    jsonl([{"source": f" a {n}\n", "target": f" b {n} ", "who": str(n % 5)} for n in range(20)])
    result = loaded(group="who")
    assert rows_of(result)[0] == {"text": " a 0\n", "label": " b 0 ", "group": "0"}
    assert len(result.splits.validation) == 4
    assert len({row.fields["group"] for row in result.splits.validation}) == 1
    assert len({row.fields["group"] for row in result.splits.train}) == 4


UNFIT_CHATS = {
    "it ends with the user": {"messages": [*said(0), {"role": "user", "content": "And?"}]},
    "turns 1 and 2 are both the user's": {"messages": [said(0)[0], *said(1)]},
    "turn 1 has the role 'wizard'": {"messages": [{"role": "wizard", "content": "x"}, said(0)[1]]},
    "the text of turn 2 is null": {"messages": [said(0)[0], {"role": "assistant", "content": None}]},
    "turn 2 is an empty answer": {"messages": [said(0)[0], {"role": "assistant", "content": " "}]},
    "the assistant says nothing": {"messages": said(0)[:1]},
    "a conversation without a turn": {"messages": []},
    "no conversation but an empty cell": {"messages": None, "id": "x"},
    "no list of turns but the text 'Hi there'": {"messages": "Hi there"},
    "no list of turns but a number": {"messages": 5},
    "no list of turns but an object": {"messages": said(0)[0]},
    "turn 1 is no object with a role and a text but a text": {"messages": ["Hi", "Hello."]},
    "turn 2 holds a NUL byte": {"messages": [said(0)[0], {"role": "assistant", "content": "a\0b"}]},
}
UNFIT_PAIRS = {
    "the source is empty": {"source": "", "target": "x"},
    "the target is empty": {"source": "x", "target": "  "},
    "source and target are the same text": {"source": "same", "target": " same"},
}


@pytest.mark.parametrize("reason", [*UNFIT_CHATS, *UNFIT_PAIRS])
def test_an_unfit_row_is_named_with_its_reason_or_left_out_and_said(reason):
    if reason in UNFIT_CHATS:
        rows = [{"messages": said(number)} for number in range(1, 21)]
        unfit = UNFIT_CHATS[reason]
    else:
        rows = [{"source": f"a {number}", "target": f"b {number}"} for number in range(1, 21)]
        unfit = UNFIT_PAIRS[reason]
    jsonl([*rows[:6], unfit, *rows[6:]])
    problem = problem_of()
    assert problem.where == "a.jsonl"
    assert "1 of 21 rows" in problem.found
    assert f"a.jsonl, row 7 (line 7): {reason}" in problem.found
    assert "data.unfit=drop" in problem.fix
    result = loaded(unfit="drop")
    assert len(rows_of(result)) == 20
    [finding] = [finding for finding in result.findings if finding.name == "unfit_rows"]
    assert finding.count == 1
    assert reason in finding.examples[0]


def test_generation_needs_an_input_and_an_output_and_no_more():
    jsonl(
        [{"input": f"a {number}", "output": f"b {number}"} for number in range(20)]
        + [{"input": "x", "output": ""}, {"input": " ", "output": "y"}, {"input": "same", "output": "same"}]
    )
    problem = problem_of("generation")
    assert "2 of 23 rows that are unfit (once the output is empty, once the input is empty)" in problem.found
    assert len(rows_of(loaded("generation", unfit="drop"))) == 21


def test_texts_that_are_gone_on_with_are_only_not_empty():
    jsonl([{"text": f"a {number}"} for number in range(20)] + [{"text": "  ", "id": "x"}])
    result = loaded("generation")
    assert rows_of(result)[0] == {"text": "a 0", "label": ""}
    assert {finding.name: finding.count for finding in result.findings} == {"empty_texts": 1}


def test_prompts_and_answers_that_are_lists_of_turns_are_conversations():
    def turns(number):
        asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"Hi {number}"}]
        return {"prompt": asked, "completion": [{"role": "assistant", "content": f"Hello {number}."}]}

    jsonl([*map(turns, range(20)), {"prompt": turns(20)["prompt"], "completion": "Hello 20."}])
    result = loaded()
    assert result.labelling.name == "chat"
    found = {row["label"]: row for row in rows_of(result)}
    assert set(found) == {f"Hello {number}." for number in range(21)}
    assert found["Hello 20."]["text"] == "Hi 20"
    assert parse(found["Hello 3."]["messages"])[0] == Turn("system", "Be kind.")
    jsonl([{"prompt": turns(number)["prompt"], "completion": ["a", "b"]} for number in range(20)])
    assert "a text" in problem_of("chat").expected


@pytest.mark.parametrize("task", ["generation", "translation"])
def test_a_list_of_texts_to_be_written_is_a_row_for_each(task):
    names = ("input", "output") if task == "generation" else ("source", "target")
    jsonl([dict(zip(names, (f"a {number}", [f"b {number}", f"c {number}"]), strict=True)) for number in range(20)])
    asked = {"name": task, "source_language": "en", "target_language": "fr"} if task == "translation" else task
    result = loaded(asked)
    assert sorted((row["text"], row["label"]) for row in rows_of(result)) == sorted(
        (f"a {number}", f"{letter} {number}") for number in range(20) for letter in "bc"
    )
    assert {finding.name: finding.count for finding in result.findings}["several_references"] == 20


CONTROLLED = [
    {"style": "plain" if number % 2 else "", "topic": "the  sea", "text": f"text {number}"} for number in range(40)
]


def test_attributes_of_several_columns_are_put_in_front_of_the_text():
    jsonl(CONTROLLED)
    result = loaded(prompt=["style", "topic"], completion="text")
    assert result.labelling.name == "generation"
    assert result.columns == {"prompt style": "style", "prompt topic": "topic", "completion": "text"}
    found = {row["label"]: row["text"] for row in rows_of(result)}
    assert found["text 1"] == "style: plain | topic: the sea"
    assert found["text 2"] == "topic: the sea"
    assert len(result.splits.validation) in range(4, 9)  # forty texts, not two inputs that stay together
    assert "several_references" not in {finding.name for finding in result.findings}
    again = written_rows(
        [Item("a.jsonl", Path("a.jsonl"))], result.columns, GenerationSpec(), unfit="error", answered=False
    )
    assert [row.fields["text"] for row in again[:2]] == ["topic: the sea", "style: plain | topic: the sea"]


def test_keys_of_another_task_are_refused_beside_attributes():
    jsonl(CONTROLLED)
    with pytest.raises(RecipeError, match=r"data\.source"):
        loaded(prompt=["style", "topic"], source="text")


def test_the_column_with_the_text_is_found_beside_attributes_and_a_wrong_name_is_refused():
    jsonl(CONTROLLED)
    assert loaded(prompt=["style", "topic"]).columns["completion"] == "text"
    assert "style, topic, text" in problem_of(prompt=["style", "tone"]).expected
    chosen = loaded("generation").choices["data.text"]
    assert chosen.value == "text"
    assert "not read: style, topic (data.prompt='[style, topic]'" in chosen.reason


def test_the_held_out_files_are_judged_by_their_own_name():
    jsonl([{"messages": said(number)} for number in range(20)])
    jsonl([{"messages": said(50)}, {"messages": said(51)[:1]}], "b.jsonl")
    assert "b.jsonl, row 2 (line 2): the assistant says nothing" in problem_of(validation="b.jsonl").found
    findings = loaded(validation="b.jsonl", unfit="drop").findings
    assert [finding.name for finding in findings] == ["unfit_rows_in_validation"]


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Hi", "completion": "Hello."},
        {"conversations": said(3, "from", "value")},
        {"question": "Hi", "answer": "Hello."},
    ],
)
def test_several_formats_in_one_file_are_refused_with_their_rows(other):
    jsonl([*({"messages": said(number)} for number in range(20)), other, other])
    problem = problem_of("chat")
    assert problem.expected == "all rows in one format, with messages"
    assert (
        problem.found
        == f"2 rows with {' and '.join(other)} in their place: a.jsonl, row 21 (line 21), a.jsonl, row 22 (line 22)"
    )
    pairs = [{"instruction": f"Hi {number}", "output": "x"} for number in range(20)]
    jsonl([*pairs, {"question": "a", "answer": "b"}])
    assert "1 row with question and answer in their place: a.jsonl, row 21" in problem_of("chat").found


def test_all_the_formats_of_a_file_are_counted():
    others = [{"prompt": "Hi", "completion": "x"}] * 3 + [{"instruction": "Hi", "output": "x"}] * 2
    jsonl([*({"messages": said(number)} for number in range(20)), *others])
    found = problem_of("chat").found
    assert "3 rows with prompt and completion in their place: a.jsonl, row 21" in found
    assert "2 rows with instruction and output in their place: a.jsonl, row 24" in found


FLAT = {"en": "a {}", "fr": "b {}"}


@pytest.mark.parametrize(
    ("task", "own", "other", "told"),
    [
        (
            "translation",
            {"en": "a {}", "fr": "b {}"},
            {"translation": {"en": "x", "fr": "y"}},
            "1 row with translation",
        ),
        (
            "translation",
            {"translation": {"en": "a {}", "fr": "b {}"}},
            {"en": "x", "fr": "y"},
            "20 rows with translation",
        ),
        ("translation", FLAT, {"translation": {"en": "x", "fr": "y"}}, "1 row with translation"),
        ("translation", {"translation": FLAT}, {"en": "x", "fr": "y"}, "20 rows with translation"),
        ("translation", FLAT, {"source": "x", "target": "y"}, "20 rows with en and fr"),
        ("generation", {"input": "a {}", "output": "b {}"}, {"mr": "x", "ref": "y"}, "1 row with mr and ref"),
        ("generation", {"input": "a {}", "output": "b {}"}, {"given": "x", "made": "y"}, "1 row with given and made"),
    ],
)
def test_several_formats_are_refused_in_every_task_that_writes(task, own, other, told):
    rows = [json.loads(json.dumps(own).replace("{}", str(number))) for number in range(20)]
    jsonl([*rows, other])
    problem = problem_of({"name": task, "source_language": "en", "target_language": "fr"} if "trans" in task else task)
    assert told in problem.found, problem


def test_a_row_with_a_note_and_no_input_is_no_other_format():
    rows = [{"input": f"a {number}", "output": "b"} for number in range(20)]
    jsonl([*rows, {"input": "", "output": "", "note": "to be written"}])
    assert "once the input is empty" in problem_of("generation").found


def test_columns_that_are_filled_beside_the_conversation_are_no_other_format():
    jsonl([{"messages": said(number), "prompt": "Hi", "completion": "x"} for number in range(20)])
    assert rows_of(loaded())[0]["label"] == "Hello 0."


def test_several_answers_to_one_input_stay_together_and_are_no_contradiction():
    jsonl([{"input": f"in {n % 15}", "output": f"out {n}"} for n in range(60)] + [{"input": "in 3", "output": "out 3"}])
    result = loaded()
    findings = {finding.name: finding for finding in result.findings}
    assert set(findings) == {"several_references", "duplicates"}
    assert findings["several_references"].count == 15
    assert "61 rows in all" in findings["several_references"].meaning
    assert findings["several_references"].examples[3] == "a.jsonl, row 4 (line 4): 5 rows"
    assert "same text and answer" in findings["duplicates"].meaning
    homes = {split: {row.fields["text"] for row in getattr(result.splits, split)} for split in ("train", "validation")}
    assert homes["validation"]
    assert not homes["train"] & homes["validation"]
    assert (
        "by chance; rows with the same text stay together"
        in loaded(validation="auto").choices["data.validation"].reason
    )


def test_repeats_and_leaks_are_found_as_with_labels():
    jsonl([{"messages": said(number)} for number in [*range(30), 3]])
    jsonl([{"messages": said(5)}, {"messages": [said(6)[0], {"role": "assistant", "content": "Else."}]}], "b.jsonl")
    findings = {finding.name: finding for finding in loaded(validation="b.jsonl").findings}
    assert findings["duplicates"].count == 1
    assert findings["validation_rows_in_train"].count == 2
    assert "1 of them with another answer there" in findings["validation_rows_in_train"].meaning
    left = loaded(validation="b.jsonl", drop_shared=True, drop_duplicates=True)
    assert len(left.splits.train) == 28


def test_answers_are_looked_through_and_measured_too():
    jsonl([{"question": f"Who is {n}?", "answer": f"Ask a.b@c{n}.org now" if n == 4 else str(n)} for n in range(20)])
    result = loaded("chat")
    assert [(finding.name, finding.count) for finding in result.findings] == [("email_addresses", 1)]
    units = {length.unit: length for length in result.lengths if length.split == "train"}
    assert set(units) == {"characters", "words", "characters of the answers", "words of the answers"}
    assert units["words of the answers"].least == 1
    record = data_read(result)
    assert (record.task, record.labels, record.spread) == ("chat", {}, None)
    assert record.columns == {"prompt": "question", "completion": "answer"}


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_what_is_gone_over_gives_what_is_held(monkeypatch, policy):
    monkeypatch.setattr(taking, "_PART", 7)
    rows = [{"messages": said(number)} for number in [*range(60), 5, 6]]
    long = "word " * 100
    rows += [{"messages": [said(7)[0], {"role": "assistant", "content": long + end}]} for end in ("a", "b", "b")]
    unfit = [{"messages": said(9)[:1]}, {"messages": said(9)[1:]}]
    jsonl(rows + (unfit if policy == "drop" else []))
    jsonl([*rows[:3], {"messages": said(99)}], "b.jsonl")
    recipe = check_recipe({"data": {"train": "a.jsonl", "validation": "b.jsonl", "test": "none", "unfit": policy}})
    held, streamed = load(recipe.data, seed=0), load_streamed(recipe.data, seed=0)
    assert streamed.loaded.findings == held.findings
    assert {"duplicates", "several_references", "validation_rows_in_train"} <= {f.name for f in held.findings}
    assert ("unfit_rows" in {f.name for f in held.findings}) == (policy == "drop")
    assert streamed.loaded.columns == held.columns == {"messages": "messages"}
    assert (streamed.loaded.labels, streamed.labels) == ((), {})
    assert streamed.rows == {"train": 65, "validation": 4, "test": 0}
    jsonl(rows + unfit)
    if policy == "error":
        with pytest.raises(DataError, match="2 of 67 rows"):
            load_streamed(recipe.data, seed=0)


def test_mixed_formats_are_found_in_what_is_gone_over(monkeypatch):
    monkeypatch.setattr(taking, "_PART", 7)
    jsonl([*({"messages": said(number)} for number in range(30)), {"prompt": "Hi", "completion": "x"}])
    with pytest.raises(DataError, match="1 row with prompt and completion in their place"):
        load_streamed(check_recipe({"data": {"train": "a.jsonl"}}).data, seed=0)


def test_rows_for_a_trained_model_may_lack_their_answers():
    items = [Item("b.jsonl", Path("b.jsonl"))]
    jsonl([{"messages": said(1)}, {"messages": said(2)[:1]}], "b.jsonl")
    one, other = written_rows(items, {"messages": "messages"}, ChatSpec(), unfit="error", answered=False)
    assert (one.fields["text"], one.fields["label"]) == ("Hi 1", "Hello 1.")
    assert (other.fields["text"], other.fields["label"]) == ("Hi 2", "")
    assert parse(other.fields["messages"]) == turns(2)[:1]
    with pytest.raises(DataError, match="the assistant says nothing"):
        written_rows(items, {"messages": "messages"}, ChatSpec(), unfit="error", answered=True)
    jsonl([{"question": "Hi 3"}], "b.jsonl")
    columns = {"prompt": "question", "completion": "answer"}
    [row] = written_rows(items, columns, ChatSpec(), unfit="error", answered=False)
    assert (row.fields["text"], row.fields["label"], parse(row.fields["messages"])) == ("Hi 3", "", turns(3)[:1])
    [row] = written_rows(items, columns, GenerationSpec(), unfit="error", answered=False)
    assert row.fields == {"text": "Hi 3", "label": ""}
    jsonl([{"en": "Hi"}], "b.jsonl")
    pair = {"source": "en", "target": "de"}
    [row] = written_rows(items, pair, TranslationSpec(), unfit="error", answered=False)
    assert row.fields == {"text": "Hi", "label": ""}
    with pytest.raises(DataError, match="the column de, which holds the target in training"):
        written_rows(items, pair, TranslationSpec(), unfit="error", answered=True)


def test_the_rows_of_a_finished_run_are_read_again():
    jsonl([{"messages": said(number)} for number in range(20)] + [{"messages": []}])
    result = loaded(unfit="drop")
    spec = check_recipe({"data": {"train": "a.jsonl"}}).data
    again = read_again(spec, result.columns, result.files, writing=ChatSpec())
    assert [dict(row.fields) for row in again] == rows_of(result)
    jsonl([{"messages": said(number)} for number in range(21)])
    assert read_again(spec, result.columns, result.files, writing=ChatSpec()) == ()


def test_one_text_for_all_cannot_be_divided():
    jsonl([{"question": "Why?", "answer": f"Because {number}"} for number in range(20)])
    problem = problem_of()
    assert problem.found == "none in 20 rows: rows with the same text stay together"


@pytest.mark.parametrize(
    ("train", "keys", "task", "columns", "rows"),
    [
        (
            "bitext_support/train.csv",
            {"task": "chat"},
            "chat",
            {"prompt": "instruction", "completion": "response"},
            2839,
        ),
        ("medquad/train.jsonl", {}, "chat", {"prompt": "question", "completion": "answer"}, 4057),
        (
            "self_instruct_seed/train.jsonl",
            {},
            "chat",
            {"prompt": "instruction", "completion": "output", "context": "input"},
            175,
        ),
        ("flores200/dev.csv", {"source": "en", "target": "it"}, "translation", {"source": "en", "target": "it"}, 997),
        ("e2e_nlg/dev.csv", {}, "generation", {"prompt": "mr", "completion": "ref"}, 4672),
        ("tiny_shakespeare/input.txt", {}, "generation", {"text": "text"}, 144),
    ],
)
def test_real_sets(train, keys, task, columns, rows):
    if not (REAL / train).exists():
        pytest.skip("the real data is not here")
    given = dict(keys)
    result = loaded(given.pop("task", "auto"), train=str(REAL / train), **given)
    assert result.labelling.name == task
    assert result.columns == columns
    assert len(result.splits.train) + len(result.splits.validation) == rows


def test_a_real_set_of_preferences_is_refused():
    train = REAL / "dpo_demo" / "train.jsonl"
    if not train.exists():
        pytest.skip("the real data is not here")
    assert problem_of(train=str(train)).fix.endswith("data.messages=messages data.completion=chosen")


def test_four_passages_are_called_passages():
    Path("a.txt").write_text("\n\n".join(f"Paragraph {number}. " + "word " * 400 for number in range(4)))
    reason = loaded(train="a.txt", validation="auto").choices["data.validation"].reason
    assert " passages of a.txt" in reason
    assert "because a tenth of " in reason
    assert "0 rows" not in reason
