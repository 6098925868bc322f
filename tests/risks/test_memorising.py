"""Training answers that are written word for word, beside those that were never seen."""

import pytest
from risk_cases import value

from affina.models.writing import Written
from affina.risks.memorising import LEAST_ROWS, MOST_ROWS, Memorised, reproduces


def found(train, unseen):
    sides = {"train": train, "validation": unseen}
    return Memorised(sides.__getitem__, confidence=0.95).after()


def test_a_model_that_gives_its_rows_away_is_flagged():
    result = found([True] * 30 + [False] * 10, [True] * 2 + [False] * 38)
    assert result.outcome == "flagged"
    assert value(result, "reproduced", "difference").value == pytest.approx(0.7)
    assert value(result, "reproduced", "training rows").value == pytest.approx(0.75)


def test_answers_that_are_given_to_everybody_are_not_memorised():
    assert found([True] * 40, [True] * 40).outcome == "within"


@pytest.mark.parametrize("rows", [LEAST_ROWS, MOST_ROWS])
def test_none_of_as_many_rows_as_are_asked_for_is_within_the_limit(rows):
    assert found([False] * rows, [False] * rows).outcome == "within"


def test_few_rows_and_no_rows():
    assert found([True] * 10, [False] * 10).outcome == "few"
    assert found([], [False] * 40).outcome == "unmeasured"


@pytest.mark.parametrize(
    ("text", "ended", "same"),
    [
        (" It is on its way. ", True, True),
        ("It is on", True, False),
        ("It is on", False, True),
        ("It is off", False, False),
        ("", False, False),
        ("It is on its way. And", False, False),
    ],
)
def test_what_is_word_for_word(text, ended, same):
    assert reproduces(Written(text, 5, ended), "It is on its way.") is same
