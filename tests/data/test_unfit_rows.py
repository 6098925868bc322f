"""Rows from which nothing can be learned are counted and named, and are an error or left out as the recipe says."""

from __future__ import annotations

import pytest

from affina.data import unfit
from affina.data.rows import Row
from affina.data.unfit import settle
from affina.errors import DataError, UnfitRow

ROWS = [Row({"text": str(number)}, "a.csv", number, number + 1) for number in range(1, 41)]


def doubled(row):
    number = int(row.fields["text"])
    if number % 4 == 0:
        raise UnfitRow(f"turn {number} is an empty answer")
    if number == 7:
        raise UnfitRow("it ends with the user")
    return 2 * number


def test_an_error_names_the_first_rows_and_counts_by_reason():
    with pytest.raises(DataError) as caught:
        settle(ROWS, doubled, policy="error", split="train")
    [problem] = caught.value.problems
    assert problem.where == "a.csv"
    assert "11 of 40 rows" in problem.found
    assert "10 times turn … is an empty answer, once it ends with the user" in problem.found
    assert "a.csv, row 4 (line 5): turn 4 is an empty answer" in problem.found
    assert problem.found.count("a.csv, row") == 5
    assert "and 6 more" in problem.found
    assert problem.fix.endswith("data.unfit=drop")


@pytest.mark.parametrize(("split", "name"), [("train", "unfit_rows"), ("test", "unfit_rows_in_test")])
def test_they_are_left_out_where_asked_and_said(split, name):
    made, [finding] = settle(ROWS, doubled, policy="drop", split=split)
    assert made == tuple(2 * number for number in range(1, 41) if number % 4 and number != 7)
    assert (finding.name, finding.count) == (name, 11)
    assert "10 times turn … is an empty answer, once it ends with the user" in finding.meaning
    assert finding.examples[3] == "a.csv, row 12 (line 13): turn 12 is an empty answer"
    assert len(finding.examples) == 5


def test_nothing_is_said_where_all_is_well():
    for policy in ("error", "drop"):
        assert settle(ROWS[:3], doubled, policy=policy, split="train") == ((2, 4, 6), ())


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_some_rows_must_be_left(policy):
    with pytest.raises(DataError, match="2 of 2 rows") as caught:
        settle([ROWS[3], ROWS[6]], doubled, policy=policy, split="train")
    assert "data.unfit=drop" not in caught.value.problems[0].fix


def test_every_reason_has_its_first_row_and_none_is_lost(monkeypatch):
    def never(row):
        raise UnfitRow(f"the role {chr(96 + int(row.fields['text'])) * 3!r}")

    with pytest.raises(DataError) as caught:
        settle(ROWS[:10], never, policy="error", split="train")
    found = caught.value.problems[0].found
    assert all(f"row {number} (line {number + 1}): the role" in found for number in range(1, 11)), found
    monkeypatch.setattr(unfit, "_MOST_REASONS", 7)
    with pytest.raises(DataError, match=r"and 3 for other reasons"):
        settle(ROWS[:10], never, policy="error", split="train")


def test_what_a_trained_model_is_given_has_no_recipe_to_be_changed():
    def never(row):
        raise UnfitRow("nothing")

    for split, said in (("train", True), (unfit.GIVEN, False)):
        with pytest.raises(DataError) as caught:
            settle([*ROWS[:10]], lambda row: never(row) if row.number == 3 else row, policy="error", split=split)
        assert ("data.unfit=drop" in caught.value.problems[0].fix) is said


def test_numbers_stand_in_a_reason_where_all_its_rows_have_the_same():
    def third(row):
        raise UnfitRow("turn 3 is an empty answer")

    made, [finding] = settle(ROWS, lambda row: third(row) if row.number < 3 else row, policy="drop", split="train")
    assert len(made) == 38
    assert finding.meaning.endswith(": 2 times turn 3 is an empty answer")
