"""Successive halving, Pareto fronts and the time left, against cases worked out by hand."""

import math

import pytest

from affina.comparing.fronts import front
from affina.comparing.halving import kept, rounds
from affina.comparing.timing import Going, Piece, time_left


@pytest.mark.parametrize(
    ("candidates", "factor", "shares", "keeps"),
    [
        (5, 3, [1 / 3], [2]),
        (5, 2, [1 / 4, 1 / 2], [3, 2]),
        (9, 3, [1 / 9, 1 / 3], [3, 2]),
        (3, 3, [1 / 3], [2]),
        (3, 2, [1 / 2], [2]),
        (16, 2, [1 / 8, 1 / 4, 1 / 2], [8, 4, 2]),
        (2, 2, [], []),
    ],
)
def test_rounds_of_successive_halving(candidates, factor, shares, keeps):
    found = rounds(candidates, factor=factor)
    assert [turn.share for turn in found] == pytest.approx(shares)
    assert [turn.keep for turn in found] == keeps


def test_the_best_stay_whichever_way_is_better_and_equals_in_their_order():
    scores = {"a": 0.7, "b": 0.9, "c": None, "d": 0.7, "e": math.nan}
    assert kept(scores, "accuracy", keep=2) == ("b", "a")
    assert kept(scores, "loss", keep=2) == ("a", "d")
    assert kept(scores, "accuracy", keep=9) == ("b", "a", "d")
    assert kept({"c": None}, "accuracy", keep=1) == ()


FRONTS = {
    "one": ({"a": (1, 1)}, ("a",)),
    "better and dearer": ({"a": (1, 1), "b": (2, 2)}, ("a", "b")),
    "worse and dearer": ({"a": (1, 2), "b": (2, 1)}, ("a",)),
    "as good and dearer": ({"a": (1, 2), "b": (2, 2)}, ("a",)),
    "as dear and worse": ({"a": (1, 2), "b": (1, 1)}, ("a",)),
    "equals are both on it": ({"a": (1, 1), "b": (1, 1), "c": (2, 0)}, ("a", "b")),
    "a hollow of three": ({"a": (1, 1), "b": (2, 1.1), "c": (3, 5), "d": (2.5, 1.05)}, ("a", "b", "c")),
    "no number": ({"a": (1, math.nan), "b": (math.inf, 9), "c": (5, -3)}, ("c",)),
    "nobody": ({}, ()),
}


@pytest.mark.parametrize("case", FRONTS)
def test_pareto_fronts_worked_out_by_hand(case):
    places, expected = FRONTS[case]
    assert front(places) == expected
    assert set(front(dict(reversed(places.items())))) == set(expected)


def test_the_time_left_is_that_of_like_runs():
    over = [Piece("full", 1.0, 60.0), Piece("lora", 1.0, 30.0)]
    assert time_left(over, [Piece("full", 1.0), Piece("lora", 0.5), Piece("new", 1.0)], None) == pytest.approx(
        60 + 15 + 45
    )
    assert time_left(over, [], None) == 0
    assert time_left([], [Piece("full", 1.0)], None) is None


def test_a_run_on_its_way_tells_by_its_steps_once_it_has_some():
    assert time_left([], [Piece("full", 1.0)], Going("full", 1.0, 10.0, 0.25)) == pytest.approx(30 + 40)
    assert time_left([], [Piece("full", 1.0)], Going("full", 1.0, 10.0, 0.0)) is None
    assert time_left([Piece("full", 1.0, 25.0)], [], Going("full", 1.0, 10.0, 0.0)) == pytest.approx(15)
    assert time_left([Piece("full", 1.0, 5.0)], [], Going("full", 1.0, 10.0, 0.0)) == 0
    assert time_left([], [Piece("full", 1.0)], Going("full", 0.5, 10.0, 0.5)) == pytest.approx(10 + 40)
