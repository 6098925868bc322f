"""Minimal pairs and questions of the user's: read as their formats say, or refused by row or key, with the fix."""

import pytest

from affina.errors import DataError, RecipeError
from affina.risks import given_items
from affina.risks.given_items import read_choices, read_pairs
from workbench import write_csv, write_jsonl

PAIR = {"UID": "agreement", "sentence_good": "The cats sleep.", "sentence_bad": "The cats sleeps."}
QUESTION = {"question": "Two and two is", "choices": ["four", "five", "six"], "answer": 0}


def refused(read, path, kind=DataError):
    with pytest.raises(kind) as caught:
        read(str(path), seed=0)
    return str(caught.value)


def test_pairs_in_the_format_of_blimp(tmp_path):
    found = read_pairs(
        str(write_jsonl(tmp_path / "mine.jsonl", [PAIR, {**PAIR, "sentence_bad": "Cats the sleep."}])), seed=0
    )
    assert [item.texts for item in found.items] == [
        ("The cats sleep.", "The cats sleeps."),
        ("The cats sleep.", "Cats the sleep."),
    ]
    assert (found.name, found.told) == ("minimal pairs of mine.jsonl", "all that it has")
    table = write_csv(tmp_path / "mine.csv", [("a b", "b a")], header="sentence_good,sentence_bad")
    assert read_pairs(str(table), seed=0).items[0].texts == ("a b", "b a")


def test_questions(tmp_path):
    rows = [QUESTION, {"context": "It rains.", "question": "One needs", "choices": ["a hat", 7], "answer": "1"}]
    found = read_choices(str(write_jsonl(tmp_path / "mine.jsonl", rows)), seed=0)
    assert [(item.stem, item.texts, item.right) for item in found.items] == [
        ("Two and two is", ("four", "five", "six"), 0),
        ("It rains.\nOne needs", ("a hat", "7"), 1),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"sentence_good": "a", "sentence_bad": "a"}, "texts that differ"),
        ({"sentence_good": "a"}, "a text in sentence_bad"),
        ({"sentence_good": "a", "sentence_bad": " "}, "a text in sentence_bad"),
        ({"sentence_good": "a", "sentence_bad": ["b"]}, "a list"),
        ({"sentence_good": 3, "sentence_bad": True}, "'3', a number, a truth value"),
        ({"sentence_good": "The box is heavy.", "sentence_bad": False}, "'false', a number, a truth value"),
        ({"sentence_good": "true", "sentence_bad": "false"}, "sentences"),
        ({"sentence_good": "The box.", "sentence_bad": "1.5e3"}, "sentences"),
    ],
)
def test_a_pair_that_cannot_be_used_is_named_by_its_row(tmp_path, row, says):
    said = refused(read_pairs, write_jsonl(tmp_path / "mine.jsonl", [PAIR, row]))
    assert "row 2 (line 2)" in said
    assert says in said
    assert "correct that row, or remove it" in said


def test_words_and_sums_are_sentences(tmp_path):
    rows = [("true", "trua"), ("2 + 2 = 4", "2 + 2 = 5")]
    path = write_csv(tmp_path / "mine.csv", rows, header="sentence_good,sentence_bad")
    assert [item.texts for item in read_pairs(str(path), seed=0).items] == rows


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"choices": ["four", "five", "four "]}, "twice 'four'"),
        ({"answer": 3}, "from 0 to 2"),
        ({"answer": "B"}, "from 0 to 2"),
        ({"answer": -1}, "from 0 to 2"),
        ({"answer": None}, "from 0 to 2"),
        ({"choices": ["four"]}, "two texts or more"),
        ({"choices": "four"}, "two texts or more"),
        ({"choices": ["four", ""]}, "an empty one"),
        ({"choices": ["four", "four"]}, "texts that differ"),
        ({"question": ""}, "a text in question"),
    ],
)
def test_a_question_that_cannot_be_used_is_named_by_its_row(tmp_path, changed, says):
    said = refused(read_choices, write_jsonl(tmp_path / "mine.jsonl", [QUESTION, {**QUESTION, **changed}]))
    assert "row 2 (line 2)" in said
    assert says in said


@pytest.mark.parametrize(("read", "key"), [(read_pairs, "pairs"), (read_choices, "choices")])
def test_what_is_no_such_file_is_named_with_its_key(tmp_path, read, key):
    (tmp_path / "mine.txt").write_text("one text\n", encoding="utf-8")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text('{"sentence_good": \n', encoding="utf-8")
    assert "no such file" in refused(read, tmp_path / "none.jsonl", RecipeError)
    assert "a folder" in refused(read, tmp_path, RecipeError)
    assert "no table" in refused(read, tmp_path / "mine.txt", RecipeError)
    other = refused(read, write_csv(tmp_path / "other.csv", [("a", "b")]), RecipeError)
    assert f"risks.forgetting.{key}" in other
    assert "the columns text, label" in other
    assert "an empty file" in refused(read, tmp_path / "empty.jsonl")
    assert "line 1" in refused(read, tmp_path / "broken.jsonl")


def test_of_a_long_file_rows_are_drawn_by_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(given_items, "MOST_ITEMS", 10)
    rows = [{**PAIR, "sentence_good": f"Number {number} sleeps."} for number in range(40)]
    path = str(write_jsonl(tmp_path / "mine.jsonl", rows))
    first, again, other = (read_pairs(path, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.items != other.items
    assert (len(first.items), first.told) == (10, "drawn by the seed from 40")
