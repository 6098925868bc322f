"""What rows become for a model that writes: kept, the same with and without, never that of anything else."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

import affina
from affina.data.conversations import Turn, dump
from affina.data.loading import load
from affina.models.reader import load_writer_reader
from affina.models.source import locate
from affina.pipeline import kept_tokens
from affina.pipeline.kept_tokens import KEY, KIND
from affina.pipeline.prepare import prepare
from affina.pipeline.writing import lessons_of_rows, pieces
from affina.pipeline.writing.rows import read_rows
from affina.recipe.load import check_recipe
from affina.runtime import cache, machine
from affina.tasks.chat import Chat
from affina.tasks.passage_lists import Passages, opened_passages
from workbench import tiny, write_csv, write_jsonl

HEADERS = {
    "chat": "prompt,completion",
    "generation": "prompt,completion",
    "translation": "source,target",
    "texts": "text",
}
TASKS = {
    "chat": {"name": "chat"},
    "generation": {"name": "generation"},
    "translation": {"name": "translation", "source_language": "en", "target_language": "de"},
    "texts": {"name": "generation"},
}
KINDS = [
    *((task, family) for task in ("chat", "generation", "translation") for family in ("llama", "bart")),
    ("translation", "t5"),
    ("texts", "gpt2"),
]
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(autouse=True)
def few_rows_are_enough(reused, monkeypatch):
    for module in (lessons_of_rows, pieces):
        monkeypatch.setattr(module, "LEAST_ROWS", 4)


def rows_of(count: int, *, start: int = 0) -> list[tuple[str, str]]:
    return [
        (
            f"where is my order {n}, please? è",
            f"It is on its way to you, number {n}. " + "ünd so on " * (4 * (n % 5 == 0)),
        )
        for n in range(start, start + count)
    ]


def recipe_of(folder: Any, task: str, family: str, /, **parts: Any) -> dict[str, Any]:
    """A recipe with its files, which are written where there are none."""
    for split, count, start in (("train", 20, 0), ("test", 6, 100)):
        if not (folder / f"{split}.csv").exists():
            rows = [row[:1] if task == "texts" else row for row in rows_of(count, start=start)]
            write_csv(folder / f"{split}.csv", rows, header=HEADERS[task])
    more = {"task": TASKS[task] | parts.pop("task", {}), "train": {"epochs": 1} | parts.pop("train", {})}
    files = {"train": str(folder / "train.csv"), "validation": 0.2, "test": str(folder / "test.csv")}
    return {"model": str(tiny(family)), "data": files | parts.pop("data", {})} | more | parts


def read(recipe: dict[str, Any], change: Any = lambda _: None) -> tuple[Any, str]:
    """What a run reads, and whence its tokens are."""
    checked = check_recipe(recipe)
    loaded = load(checked.data, seed=checked.rows_seed, task=checked.task)
    model, choices = load_writer_reader(locate(checked.model)), {}
    change(model.tokenizer)
    found = read_rows(checked, loaded, loaded.labelling, model, choices)
    passages = {split: list(found.lessons.of(rows, found.reading)) for split, rows in found.limited.rows.items()}
    return (passages, found.findings), choices[KEY].value if KEY in choices else "read"


def unkept(recipe: dict[str, Any]) -> dict[str, Any]:
    return recipe | {"train": recipe["train"] | {"reuse": False}}


def entries() -> list[str]:
    return sorted(path.name for path in (cache.cache_folder() / KIND).glob("[!.]*"))


@pytest.mark.parametrize("limit", ["auto", 56])
@pytest.mark.parametrize(("task", "family"), KINDS)
def test_a_run_is_prepared_from_what_is_kept_as_from_its_own_reading(tmp_path, monkeypatch, task, family, limit):
    recipe = recipe_of(tmp_path, task, family, data={"max_length": limit, "too_long": "truncate"})
    found = []
    for step, asked in enumerate((unkept(recipe), recipe, recipe)):
        if step == 2:
            refuse = lambda *_, **__: pytest.fail("it is read again")  # noqa: E731
            monkeypatch.setattr(lessons_of_rows, "PassageLists", refuse)
            monkeypatch.setattr(lessons_of_rows, "target_bytes", refuse)
            monkeypatch.setattr(pieces, "_places", refuse)
        run = prepare(check_recipe(asked), notify=lambda _: None)
        found.append((run.subject, run.choices[KEY].value if KEY in run.choices else "read", run.findings))
        kept = 7 if task == "texts" else 4  # three splits, the bytes of one, and where texts are divided
        assert len(entries()) == (kept if step else 0)
    assert [how for _, how, _ in found] == ["read", "read", "taken over"]
    expected, _, findings = found[0]
    assert limit == "auto" or task == "texts" or any(one.cut for one in expected.passages["train"])
    for subject, _, told in found[1:]:
        assert {split: list(part) for split, part in subject.passages.items()} == {
            split: list(part) for split, part in expected.passages.items()
        }
        assert subject.lengths == expected.lengths
        assert list(subject.reported.sizes) == list(expected.reported.sizes)
        assert subject.writer.how == expected.writer.how
        assert told == findings


def test_another_limit_cuts_what_is_kept(tmp_path):
    recipe = recipe_of(tmp_path, "chat", "llama")
    read(recipe)
    short = recipe | {"data": recipe["data"] | {"max_length": 56}}
    found, how = read(short)
    assert how == "taken over"
    assert found == read(unkept(short))[0] != read(recipe)[0]
    bytes_of = [
        list(prepare(check_recipe(one), notify=lambda _: None).subject.reported.sizes)
        for one in (recipe, short, unkept(short))
    ]
    assert bytes_of[0] != bytes_of[1] == bytes_of[2]


def no_place(tokenizer: Any) -> None:
    tokenizer.chat_template = NO_SYSTEM


def talks(folder: Any, *, told: tuple[int, ...]) -> dict[str, str]:
    """Conversations as training rows; in some of them the system speaks."""
    found = [(Turn("user", f"where is order {n}"), Turn("assistant", f"on its way, {n}")) for n in range(20)]
    given = [(Turn("system", "Be kind."), *turns) if n in told else turns for n, turns in enumerate(found)]
    path = write_jsonl(folder / "talks.jsonl", [{"messages": json.loads(dump(turns))} for turns in given])
    return {"train": str(path), "validation": "none", "test": "none"}


def test_texts_are_divided_anew_for_another_limit(tmp_path):
    recipe = recipe_of(tmp_path, "texts", "gpt2", data={"max_length": 56})
    first = read(recipe)[0]
    short = recipe | {"data": recipe["data"] | {"max_length": 18}}
    assert read(short)[0] == read(unkept(short))[0] != first
    assert read(recipe) == (first, "taken over")


def other_tokens(tokenizer: Any) -> None:
    tokenizer.add_tokens(["order"])


def other_template(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ '# ' + m['content'] + eos_token }}{% endfor %}"


def other_end(tokenizer: Any) -> None:
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(5)


def split_special(tokenizer: Any) -> None:
    tokenizer.split_special_tokens = True


@pytest.mark.parametrize("change", [other_tokens, other_template, other_end, split_special])
def test_another_tokenizer_or_template_is_not_taken_for_the_same(tmp_path, change):
    recipe = recipe_of(tmp_path, "chat", "llama")
    read(recipe)
    found, how = read(recipe, change)
    assert how == "read"
    assert found == read(unkept(recipe), change)[0]
    assert read(recipe, change)[1] == read(recipe)[1] == "taken over"


@pytest.mark.parametrize(
    ("task", "family", "more"),
    [
        ("chat", "llama", {"task": {"system": "Be kind."}}),
        ("chat", "bart", {"task": {"system": "Be kind."}}),
        ("generation", "llama", {"task": {"instruction": "Answer: "}}),
        ("generation", "bart", {"task": {"instruction": "Answer: "}}),
        ("translation", "llama", {"task": {"target_language": "it"}}),
        ("translation", "t5", {"task": {"source_language": "fr"}}),
        ("generation", "llama", {"model": "bart"}),
    ],
)
def test_other_settings_of_a_task_are_not_taken_for_the_same(tmp_path, task, family, more):
    read(recipe_of(tmp_path, task, family))
    if "model" in more:
        more = {"model": str(tiny(more["model"]))}
    other = recipe_of(tmp_path, task, family, **more)
    found, how = read(other)
    assert how == "read"
    assert found == read(unkept(other))[0]


def test_where_the_system_goes_is_a_part_of_the_key(tmp_path):
    data = talks(tmp_path, told=(4, 11))
    found = {}
    for place in ("user", "drop", "user"):
        recipe = recipe_of(tmp_path, "chat", "llama", task={"no_place": place}, data=data)
        found[place], how = read(recipe, no_place)
        assert found[place] == read(unkept(recipe), no_place)[0]
    assert how == "taken over"
    assert found["user"] != found["drop"]


@pytest.mark.parametrize("change", ["a letter", "order", "one less", "swapped cells"])
def test_other_rows_are_not_taken_for_the_same(tmp_path, change):
    rows, header = rows_of(20), HEADERS["generation"]
    recipe = recipe_of(tmp_path, "generation", "llama", data={"validation": "none"})
    read(recipe)
    changed = {
        "a letter": [*rows[:-1], (rows[-1][0], rows[-1][1] + "x")],
        "order": [*rows[1:], rows[0]],
        "one less": rows[:-1],
        "swapped cells": [*rows[:-1], rows[-1][::-1]],
    }
    write_csv(tmp_path / "train.csv", changed[change], header=header)
    before = len(entries())
    found, _ = read(recipe)
    assert len(entries()) == before + 1
    assert found == read(unkept(recipe))[0]


def test_other_code_and_other_versions_are_not_taken_for_the_same(tmp_path, monkeypatch):
    recipe = recipe_of(tmp_path, "chat", "llama")
    read(recipe)
    monkeypatch.setattr(kept_tokens, "code_hash", lambda: "another version of Affina")
    assert read(recipe)[1] == "read"
    versions = machine.versions
    monkeypatch.setattr(machine, "versions", lambda *more: versions(*more) | {"Jinja2": "0.1"})
    assert read(recipe)[1] == "read"


def test_a_template_with_the_date_is_rendered_anew_on_another_day(tmp_path, monkeypatch):
    def dated(tokenizer: Any) -> None:
        shown = "{% if messages[0]['content'] | length > 33 %}{{ strftime_now('%d') }}{% endif %}"
        tokenizer.chat_template = shown + NO_SYSTEM

    recipe = recipe_of(tmp_path, "chat", "llama")
    read(recipe, dated)
    assert read(recipe, dated)[1] == "taken over"

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2031, 5, 7, tzinfo=tz)

    monkeypatch.setattr(lessons_of_rows, "datetime", Tomorrow)
    assert read(recipe, dated)[1] == "read"


@pytest.mark.parametrize("file", ["ids.npy", "learned.npy", "source-ends.npy", "bytes.npy", cache.MARKER])
@pytest.mark.parametrize("damage", ["cut off", "other bytes", "gone"])
def test_what_is_damaged_is_told_of_and_made_again(tmp_path, file, damage):
    recipe = check_recipe(recipe_of(tmp_path, "generation", "bart"))

    def prepared() -> tuple[Any, str]:
        run = prepare(recipe, notify=lambda _: None)
        found = [list(part) for part in run.subject.passages.values()], list(run.subject.reported.sizes)
        return found, run.choices[KEY].value if KEY in run.choices else "read"

    first, _ = prepared()
    for path in (cache.cache_folder() / KIND).glob(f"*/{file}"):
        whole = path.read_bytes()
        path.unlink() if damage == "gone" else path.write_bytes(whole[:-5] + b"\x09" * (damage != "cut off") * 5)
    assert [prepared() for _ in range(2)] == [(first, "made again"), (first, "taken over")]


def test_arrays_of_different_passages_are_no_passages(tmp_path):
    def saved(name: str, texts: int) -> Any:
        recipe = recipe_of(tmp_path, "generation", "bart", data={"validation": "none"})
        write_csv(tmp_path / "train.csv", rows_of(texts), header=HEADERS["generation"])
        read(recipe)
        return max((cache.cache_folder() / KIND).glob("*/ids.npy"), key=lambda path: path.stat().st_mtime_ns).parent

    few, more = saved("few", 7), saved("more", 9)
    for path in few.glob("source*.npy"):
        path.write_bytes((more / path.name).read_bytes())
    with pytest.raises(ValueError, match="different passages"):
        opened_passages(few)


def test_rows_that_the_template_refuses_are_refused_again(tmp_path):
    recipe = recipe_of(tmp_path, "chat", "llama", data=talks(tmp_path, told=(0, 4, 11)) | {"unfit": "drop"})
    found = [read(one, no_place) for one in (unkept(recipe), recipe, recipe)]
    assert [how for _, how in found] == ["read", "read", "taken over"]
    assert found[0][0] == found[1][0] == found[2][0]
    assert len(found[0][0][0]["train"]) == 17
    assert any("3 times" in finding.meaning and "has no place" in finding.meaning for finding in found[2][0][1])


def test_another_run_that_is_first_is_no_harm(tmp_path, monkeypatch):
    recipe, lesson, inner = recipe_of(tmp_path, "chat", "llama"), Chat.lesson, []

    def slow(self: Chat, row: Any) -> Any:
        if not inner:  # another run reads and keeps the same while this one is at its first row
            inner.append(None)
            inner.append(read(recipe))
        return lesson(self, row)

    monkeypatch.setattr(Chat, "lesson", slow)
    outer = read(recipe)
    assert outer[0] == inner[1][0] == read(unkept(recipe))[0]
    assert len(entries()) == 3


def test_without_reuse_below_the_size_and_in_a_look_nothing_is_kept(tmp_path, monkeypatch):
    recipe = recipe_of(tmp_path, "chat", "llama")
    read(unkept(recipe))
    affina.check(recipe)
    assert entries() == []
    monkeypatch.setattr(lessons_of_rows, "LEAST_ROWS", 17)
    read(recipe)
    assert entries() == []
    monkeypatch.setattr(lessons_of_rows, "LEAST_ROWS", 16)
    read(recipe)
    assert len(entries()) == 1


def test_what_was_used_longest_ago_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_tokens, "MOST", 3)
    recipe = recipe_of(tmp_path, "chat", "llama")
    read(recipe)
    before = entries()
    read(recipe | {"task": {"name": "chat", "system": "Be kind."}})
    assert len(entries()) == 3
    assert not set(entries()) & set(before)


def test_passages_of_a_file_are_those_in_memory(tmp_path):
    recipe = recipe_of(tmp_path, "generation", "t5")
    read(recipe)
    for folder in (cache.cache_folder() / KIND).glob("[!.]*"):
        found = opened_passages(folder)
        assert isinstance(found, Passages)
        assert [found.length(n) for n in range(len(found))] == [max(len(p.ids), len(p.source)) for p in found]
