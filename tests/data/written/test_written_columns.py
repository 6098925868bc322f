"""Which tables are read as texts to be written, which columns they have, and what is said where that is unclear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from affina.data.loading import load
from affina.errors import DataError, RecipeError
from affina.recipe.load import check_recipe


def hello(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Hi {number}"}, {"role": "assistant", "content": "Hello."}]


def question(number: int) -> list[dict[str, str]]:
    return hello(number)[:1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(columns: list[str], rows: int = 30, **cells: Any) -> str:
    """A JSONL file whose cells are different texts but where they are given."""
    lines = []
    for number in range(rows):
        row = {name: f"{name} number {number}" for name in columns}
        row |= {name: given(number) if callable(given) else given for name, given in cells.items()}
        lines.append(json.dumps(row))
    Path("a.jsonl").write_text("\n".join(lines) + "\n")
    return "a.jsonl"


def loaded(task: Any = "auto", file: str = "a.jsonl", **keys: Any):
    recipe = check_recipe({"data": {"train": file, "validation": 0.2, "test": "none", **keys}, "task": task})
    return load(recipe.data, seed=0, task=recipe.task)


def problem_of(task: Any = "auto", **keys: Any):
    with pytest.raises((DataError, RecipeError)) as caught:
        loaded(task, **keys)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("columns", "task", "found"),
    [
        (["prompt", "completion"], "chat", {"prompt": "prompt", "completion": "completion"}),
        (["id", "Question", "Answer"], "chat", {"prompt": "Question", "completion": "Answer"}),
        (["instruction", "response"], "chat", {"prompt": "instruction", "completion": "response"}),
        (
            ["instruction", "input", "output", "system_prompt"],
            "chat",
            {"prompt": "instruction", "completion": "output", "context": "input", "system": "system_prompt"},
        ),
        (
            ["context", "question", "answer"],
            "chat",
            {"prompt": "question", "completion": "answer", "context": "context"},
        ),
        (["source", "target"], "translation", {"source": "source", "target": "target"}),
        (["id", "en", "de"], "translation", {"source": "en", "target": "de"}),
        (["eng_Latn", "ita_Latn"], "translation", {"source": "eng_Latn", "target": "ita_Latn"}),
        (["English", "French"], "translation", {"source": "English", "target": "French"}),
        (["input", "output"], "generation", {"prompt": "input", "completion": "output"}),
        (["mr", "ref"], "generation", {"prompt": "mr", "completion": "ref"}),
    ],
)
def test_the_columns_tell_the_task(columns, task, found):
    written(columns)
    result = loaded()
    assert result.labelling.name == task
    assert result.columns == found
    assert result.labels == ()
    assert {f"data.{role}" for role in found} < set(result.choices)
    assert all(choice.reason for choice in result.choices.values())


@pytest.mark.parametrize("name", ["messages", "conversations", "Conversation", "dialog"])
def test_a_column_with_lists_of_turns_is_a_chat(name):
    written(["id", "source", "prompt"], **{name: hello})
    assert loaded().columns == {"messages": name}
    written([], label=lambda number: "ab"[number % 2], **{name: hello})
    assert loaded().columns == {"messages": name}
    written(["id"], **{name: lambda number: json.dumps(hello(number))})
    assert loaded().columns == {"messages": name}


@pytest.mark.parametrize("name", ["messages", "conversation"])
def test_a_column_that_is_only_called_so_is_none(name):
    written([name, "label"], label=lambda number: "ab"[number % 2])
    assert loaded().labelling.name == "classification"


@pytest.mark.parametrize(
    ("columns", "labels", "task"),
    [
        (["question", "answer"], {"answer": lambda number: ["yes", "no"][number % 2]}, "classification"),
        (["instruction", "response"], {"intent": lambda number: "abc"[number % 3]}, "classification"),
        (["source"], {"target": lambda number: "abc"[number % 3]}, "classification"),
        (["input"], {"output": lambda number: "abc"[number % 3]}, "classification"),
        (["question", "answer"], {"score": lambda number: number / 7}, "regression"),
        (["question", "answer"], {"tags": lambda number: ["a", "b"][: number % 3]}, "multi_label"),
        (["text"], {"label": lambda number: "ab"[number % 2], "messages": hello}, "classification"),
    ],
)
def test_what_has_labels_stays_so_and_the_other_way_is_said(columns, labels, task):
    written(columns, **labels)
    result = loaded()
    assert result.labelling.name == task
    assert ", write task=" in result.choices["task"].reason


def test_two_label_columns_beside_an_answer_stay_a_question_to_the_user():
    kinds = {name: lambda number: "abc"[number % 3] for name in ("intent", "category")}
    written(["instruction", "response"], **kinds)
    assert problem_of().fix.endswith("(or data.label=category); to learn to write response, write task=chat")
    named = loaded(label="intent")
    assert named.labelling.name == "classification"
    said = named.choices["task"].reason
    assert said.endswith("to learn to write response, write task=chat in the place of data.label")
    assert loaded("chat").columns == {"prompt": "instruction", "completion": "response"}


@pytest.mark.parametrize(
    ("keys", "task"),
    [
        ({"prompt": "b", "completion": "a"}, "chat"),
        ({"completion": "a", "prompt": "b", "system": "c"}, "chat"),
        ({"source": "a", "target": "c"}, "translation"),
    ],
)
def test_keys_say_the_task(keys, task):
    written(["a", "b", "c"])
    result = loaded(**keys)
    assert result.labelling.name == task
    assert result.columns == keys
    assert "names a column for it" in result.choices["task"].reason
    assert not [key for key in result.choices if key.partition(".")[2] in keys]


@pytest.mark.parametrize(
    ("keys", "task", "found"),
    [
        ({"prompt": "instruction"}, "chat", {"prompt": "instruction", "completion": "output"}),
        ({"completion": "output"}, "chat", {"prompt": "instruction", "completion": "output"}),
        ({"source": "de"}, "translation", {"source": "de", "target": "en"}),
        ({"target": "en"}, "translation", {"source": "de", "target": "en"}),
    ],
)
def test_one_key_may_be_enough(keys, task, found):
    written(["instruction", "output", "en", "de"])
    assert loaded(context="none", **keys).columns if task == "chat" else True
    assert {**loaded(**keys).columns} == found


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["text"], {"text": "text"}),
        (["id", "text", "url"], {"text": "text"}),
        (["verse"], {"text": "verse"}),
        (["question", "answer"], {"prompt": "question", "completion": "answer"}),
        (["article", "highlights"], {"prompt": "article", "completion": "highlights"}),
        (["input", "target"], {"prompt": "input", "completion": "target"}),
        (["input_text", "target_text"], {"prompt": "input_text", "completion": "target_text"}),
    ],
)
def test_generation_goes_on_with_texts_where_there_is_no_output(columns, found):
    written(columns)
    assert loaded("generation").columns == found
    assert loaded("generation", text=columns[0]).columns == {"text": columns[0]}


def test_languages_are_those_of_the_columns_and_are_said():
    written(["en_text", "text", "id"])
    result = loaded(source="en_text", target="id")
    assert result.labelling.spec.source_language == "en"
    assert result.labelling.spec.target_language == "id"
    assert result.choices["task.source_language"].value == "en"
    assert "en_text" in result.choices["task.source_language"].reason
    given = loaded({"name": "translation", "source_language": "fr"}, source="en_text", target="text")
    assert (given.labelling.spec.source_language, given.labelling.spec.target_language) == ("fr", "auto")
    assert not [key for key in given.choices if "language" in key]


@pytest.mark.parametrize(
    ("columns", "task", "fix"),
    [
        (
            ["a", "b", "c"],
            "chat",
            "data.prompt=a data.completion=b; or for a column with lists of turns: data.messages=COLUMN",
        ),
        (["a", "b", "c"], "generation", "data.prompt=a data.completion=b; or to learn texts as they are: data.text=a"),
        (["a", "en", "de", "fr"], "translation", "data.source=en data.target=de"),
        (["en", "de", "fr"], "auto", "or to learn to translate: data.source=en data.target=de"),
        (["a"], "chat", "add a column"),
    ],
)
def test_what_is_unclear_is_asked_with_what_to_type(columns, task, fix):
    written(columns)
    problem = problem_of(task)
    assert all(column in problem.found for column in columns)
    assert fix in problem.fix


@pytest.mark.parametrize(
    ("task", "keys", "said"),
    [
        ("chat", {"source": "a"}, "write task=translation"),
        ("translation", {"prompt": "a"}, "write task=chat"),
        ("classification", {"messages": "a"}, "write task=chat"),
        ("regression", {"label": "b", "source": "a"}, "leave data.source out"),
        ("auto", {"source": "a", "completion": "b"}, "leave data.completion out"),
        ("auto", {"prompt": "a", "label": "b"}, "leave data.label out"),
        ("chat", {"prompt": "a", "text": "b"}, "write task=generation"),
        ("generation", {"system": "a"}, "write task=chat"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(task, keys, said):
    written(["a", "b", "c"])
    problem = problem_of(task, **keys)
    assert said in problem.fix
    assert problem.where.startswith("recipe key")


def test_a_named_column_must_be_there_and_be_another_one():
    written(["a", "b"])
    assert problem_of(prompt="A", completion="b").fix == "did you mean data.prompt=a?"
    assert "the column a for both" in problem_of(source="a", target="a").found


@pytest.mark.parametrize("asked", [{"messages": question}, {"prompt": "Hi {}".format}])
@pytest.mark.parametrize("task", ["auto", "chat"])
def test_preferences_are_refused_with_the_way_to_learn_the_better_answers(asked, task):
    written(["chosen", "rejected"], **asked)
    problem = problem_of(task)
    role = next(iter(asked))
    assert problem.fix.endswith(f"write data.{role}={role} data.completion=chosen")
    assert loaded(**{role: role, "completion": "chosen"}).splits.train[0].fields["label"].startswith("chosen number")


def test_preferences_in_whole_conversations_are_named_as_such():
    written(["prompt", "rejected"], chosen=hello)
    assert problem_of().fix.endswith("write data.messages=chosen")
    assert loaded(messages="chosen").splits.train[0].fields["label"] == "Hello."


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_objects_with_a_text_for_each_language_are_columns(name):
    rows = [{"id": str(n), "translation": {"en": f"Hi {n}", "it": f"Ciao {n}"}} for n in range(30)]
    if name == "a.parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), name)
    else:
        written([], translation=lambda n: rows[n]["translation"])
    result = loaded(file=name)
    assert result.columns == {"source": "en", "target": "it"}
    assert loaded(file=name, source="it").columns == {"source": "it", "target": "en"}
    assert {"text": "Hi 0", "label": "Ciao 0"} in [
        dict(row.fields) for row in (*result.splits.train, *result.splits.validation)
    ]


@pytest.mark.parametrize("cell", [{"en": 1}, {"score": "x"}, ["en"], {"en": {"text": "x"}}])
def test_other_objects_stay_what_they_are(cell):
    written(["text", "label"], label=lambda number: "ab"[number % 2], translation=cell)
    assert loaded().columns == {"text": "text", "label": "label"}


def test_an_instruction_goes_before_inputs():
    written(["text"])
    asked = {"name": "generation", "instruction": "Go on: "}
    assert problem_of(asked).where == "recipe key task.instruction"
    written(["input", "output"])
    assert loaded(asked).labelling.spec.instruction == "Go on:"


def test_a_file_of_a_list_may_have_another_format_and_it_is_said():
    written(["id"], messages=hello)
    Path("a.jsonl").rename("b.jsonl")
    written(["question", "answer"])
    result = loaded(train=["b.jsonl", "a.jsonl"])
    assert result.columns == {"messages": "messages"}
    assert len(result.splits.train) + len(result.splits.validation) == 60
    assert result.choices["data.train (columns of a.jsonl)"].value == "prompt question, completion answer"
    held = loaded(train="b.jsonl", validation="a.jsonl")
    assert held.choices["data.validation (columns of a.jsonl)"].value == "prompt question, completion answer"
    assert held.splits.validation[0].fields["text"] == "question number 0"


def test_a_held_out_file_must_have_the_columns():
    written(["source", "target"])
    Path("a.jsonl").rename("b.jsonl")
    written(["title", "body"])
    problem = problem_of(train="b.jsonl", validation="a.jsonl")
    assert problem.where == "a.jsonl, header"
    assert "the column source, which holds the source in training" in problem.expected


def test_a_split_whose_answers_are_secret_is_not_used():
    Path("sets").mkdir()
    written(["source", "target"])
    Path("a.jsonl").rename("sets/train.jsonl")
    written(["source"], target="")
    Path("a.jsonl").rename("sets/test.jsonl")
    recipe = check_recipe({"data": {"train": "sets"}})
    result = load(recipe.data, seed=0)
    assert result.splits.test == ()
    assert result.choices["data.test (not used)"].reason == "none of its rows has an answer"
