"""What is said of a step that went wrong, word for word where a user acts on it."""

import pytest

from affina.training import mishaps
from affina.training.guard import Guard

PLACES = [f"a.csv, row {number}" for number in range(1, 8)]


@pytest.mark.parametrize(("count", "end"), [(0, ""), (5, "row 5"), (6, "row 5; and 1 more"), (7, "row 5; and 2 more")])
def test_five_rows_are_named_and_the_others_counted(count, end):
    said = mishaps.shown(PLACES[:count])
    assert said.endswith(end)
    assert said.count("a.csv") == min(count, 5)


def test_a_skipped_step_names_all_its_rows_in_the_record():
    found = mishaps.skipped(3, "the loss", float("nan"), PLACES)
    assert (found.step, found.what, found.value, found.rows) == (3, "the loss", "nan", tuple(PLACES))
    assert "the loss is nan with a.csv, row 1;" in found.text


@pytest.mark.parametrize(("to", "whence"), [(0, "that training began with"), (8, "so far, of step 8")])
def test_a_way_back_says_where_to_and_how_much_slower(to, whence):
    guard = Guard()
    guard.rewound(12)
    found = mishaps.rewound(12, guard, to_step=to, cause="it broke")
    assert (found.step, found.to_step, found.number, found.factor) == (12, to, 1, pytest.approx(0.2))
    assert f"it broke: back to the {'best ' if to else ''}weights {whence}" in found.text
    assert "1 of at most 3 times" in found.text


@pytest.mark.parametrize(
    ("step", "places", "where", "fix"),
    [
        (4, PLACES[:1], "step 5, with a.csv, row 1", "look at those rows"),
        (4, [], "after step 4", "lower train.learning_rate (it peaked at 0.002)"),
        (0, PLACES[:1], "step 1, with", "look at those rows"),
        (0, [], "after step 0", "take a sound copy of the model"),
    ],
)
def test_the_end_of_a_run_says_what_to_do(step, places, where, fix):
    (problem,) = mishaps.ended("the loss is nan", places, step=step, best_step=2, rate=0.002).problems
    assert where in problem.where
    assert "the best model so far (step 2) is kept" in problem.found
    assert fix in problem.fix


def test_a_split_batch_says_in_how_many_parts():
    found = mishaps.batches_split(2, 4, "out of memory")
    assert (found.step, found.parts) == (2, 4)
    assert "in 4 parts" in found.text
