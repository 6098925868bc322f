"""Rows in flat arrays are the rows that were added, and files that are gone over in parts give what held ones give."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data import row_arrays, taking
from affina.data.loading import load
from affina.data.row_arrays import Rows, those
from affina.data.rows import Row
from affina.errors import DataError
from affina.recipe.load import check_recipe

ROWS = st.lists(
    st.builds(
        Row,
        st.dictionaries(st.sampled_from(["text", "text_pair", "label", "group"]), st.text(max_size=5)),
        st.sampled_from(["a.csv", "b.csv"]),
        st.integers(1, 2**32 - 1),
        st.integers(0, 2**32 - 1),
    ),
    max_size=30,
)


def arrayed(rows):
    found = Rows()
    for row in rows:
        found.add(row)
    return found


@given(ROWS, st.integers(1, 4))
def test_what_is_added_is_what_is_there(rows, few):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_arrays, "_FEW", few)
        found = arrayed(rows)
    assert list(found) == rows == [found[place] for place in range(len(rows))]
    assert found[1:-1] == rows[1:-1]


@given(ROWS, st.data())
def test_some_of_them_are_found_by_their_places(rows, data):
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    again = data.draw(st.lists(st.integers(0, len(places) - 1), max_size=9)) if places else []
    expected = [rows[place] for place in places]
    for held in (arrayed(rows), tuple(rows)):
        some = those(held, places)
        assert list(some) == expected == [some[place] for place in range(len(some))]
        assert list(those(some, again)) == [expected[place] for place in again]


def test_half_a_letter_stays_what_it_is():
    row = Row({"text": "a\ud800b", "label": "\udfff"}, "a.jsonl", 1, 1)
    assert arrayed([row])[0] == row


def many(number):
    return [[f"text {place % 190} of {number}", "abc"[place % 3], f"g{place % 40}"] for place in range(200)]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        with Path(f"{number}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text", "label", "team"], *many(number), ["", "a", "g1"]])
    lines = [{"question": f"what is {place}?", "answer": f"it is {place * place}"} for place in range(120)]
    Path("chat.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with Path("number.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text", "score"], *([f"text {n}", f"{n / 7:.3f}"] for n in range(150))])


RECIPES = {
    "labels": {"data": {"train": "1.csv"}},
    "a test file": {"data": {"train": "1.csv", "test": "2.csv"}},
    "groups": {"data": {"train": "1.csv", "group": "team"}},
    "groups of people": {"data": {"train": "1.csv"}, "risks": {"bias": {"group": "team"}}},
    "two files": {"data": {"train": ["1.csv", {"file": "2.csv", "weight": 2}]}},
    "dropped": {"data": {"train": "1.csv", "drop_duplicates": True, "test": "1.csv"}},
    "shared": {"data": {"train": ["1.csv", "2.csv"], "drop_shared": True, "test": "2.csv"}},
    "answers": {"data": {"train": "chat.jsonl"}},
    "numbers": {"data": {"train": "number.csv"}, "task": "regression"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_large_files_give_the_same_rows_in_the_same_splits(files, monkeypatch, name):
    recipe = check_recipe(RECIPES[name])
    asked = {"seed": 3, "task": recipe.task, "people": recipe.risks.bias.group}
    held = load(recipe.data, **asked)
    monkeypatch.setattr(taking, "LARGE_BYTES", 10)
    monkeypatch.setattr(taking, "_PART", 7)
    found = load(recipe.data, **asked)
    assert isinstance(found.splits.train, row_arrays.OnAccess)
    for split, rows in held.splits.by_name.items():
        assert list(found.splits.by_name[split]) == list(rows)
    for what in ("labelling", "labels", "columns", "files", "findings", "checks", "lengths", "weights"):
        assert getattr(found, what) == getattr(held, what), what
    assert {key: one.value for key, one in found.choices.items()} == {
        key: one.value for key, one in held.choices.items()
    }


def test_large_files_without_a_text_are_refused_as_held_ones_are(files, monkeypatch):
    Path("blank.csv").write_text("text,label\n" + " ,a\n" * 30, encoding="utf-8")
    recipe = check_recipe({"data": {"train": "blank.csv"}})
    monkeypatch.setattr(taking, "LARGE_BYTES", 10)
    with pytest.raises(DataError, match="30 rows, and no text in any of them"):
        load(recipe.data, seed=0)
