"""Intervals over rows and seeds: against the normal approximation and plain means, for metrics of every shape."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from affina.comparing.resampled import sample
from affina.record.row_results import RowResults
from runs_on_paper import drawn, right_on

MANY = 4_000


def test_over_rows_alone_the_interval_is_that_of_the_normal_approximation():
    found = sample({"a": [right_on(160)]}, "accuracy", resamples=MANY, confidence=0.95).figure("a")
    error = math.sqrt(0.8 * 0.2 / 200)
    assert found.value == pytest.approx(0.8)
    assert (found.low, found.high) == pytest.approx((0.8 - 1.96 * error, 0.8 + 1.96 * error), abs=0.006)
    assert found.n == 200


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_seeds_widen_the_interval_by_the_variance_of_their_mean(seeds):
    """Seeds that differ by whole rows: rows without an own part leave nothing but the seeds to vary."""
    accuracies = np.linspace(0.6, 0.9, seeds)
    several = [
        RowResults(who="tuned", split="test", rows=("a", "b"), values={"accuracy": (float(one), float(one))})
        for one in accuracies
    ]
    found = sample({"a": several}, "accuracy", resamples=MANY, confidence=0.95)
    wanted = math.sqrt(accuracies.var(ddof=1) / seeds)
    assert found.values["a"] == pytest.approx(0.75)
    assert found.drawn["a"].std() == pytest.approx(wanted, rel=0.05)


def test_differences_are_of_the_same_rows():
    """Two that are right on nearly the same rows are told apart by few rows, whatever their own intervals."""
    found = sample({"a": [right_on(160)], "b": [right_on(150)]}, "accuracy", resamples=MANY, confidence=0.95)
    behind = found.difference("b", "a")
    error = math.sqrt(0.05 * 0.95 / 200)
    assert behind.value == pytest.approx(-0.05)
    assert (behind.low, behind.high) == pytest.approx((-0.05 - 1.96 * error, -0.05 + 1.96 * error), abs=0.006)
    apart = sample({"a": [drawn(0.8)], "b": [drawn(0.75, seed=1)]}, "accuracy", resamples=MANY, confidence=0.95)
    assert apart.difference("b", "a").high > 0 > apart.difference("b", "a").low


def test_rows_in_another_order_are_the_same_rows():
    one = right_on(150)
    order = np.random.default_rng(0).permutation(len(one.rows))
    mixed = RowResults(
        who="tuned",
        split="test",
        rows=tuple(one.rows[place] for place in order),
        values={"accuracy": tuple(one.values["accuracy"][place] for place in order)},
    )
    found = sample({"a": [one], "b": [mixed]}, "accuracy", resamples=50, confidence=0.95).difference("b", "a")
    assert (found.low, found.value, found.high) == (0, 0, 0)


def test_the_macro_f1_is_scikit_learns():
    draw = np.random.default_rng(3)
    truth, said = draw.integers(0, 5, 300), draw.integers(0, 5, 300)
    rows = tuple(f"{place:04x}" for place in range(300))
    one = RowResults(
        who="tuned", split="test", rows=rows, values={}, expected=tuple(truth.tolist()), predicted=tuple(said.tolist())
    )
    found = sample({"a": [one]}, "macro_f1", resamples=20, confidence=0.9)
    assert found.values["a"] == pytest.approx(f1_score(truth, said, average="macro"))


def test_a_metric_that_is_no_mean_is_made_of_its_parts():
    squares = (0.0, 4.0, 16.0)
    one = RowResults(who="tuned", split="test", rows=("a", "b", "c"), values={}, parts={"rmse": (squares,)})
    found = sample({"a": [one]}, "rmse", resamples=200, confidence=0.9)
    assert found.values["a"] == pytest.approx(math.sqrt(20 / 3))
    assert 0 <= found.figure("a").low < found.figure("a").high <= 4


def test_one_without_a_figure_takes_none_of_the_others_away():
    odd = replace(right_on(150), values={"accuracy": (math.nan,) * 200})
    silent = replace(right_on(150), values={})
    several = {"nan": [odd], "a": [right_on(160)], "one of two": [right_on(150), odd], "none": [silent]}
    found = sample(several, "accuracy", resamples=50, confidence=0.9)
    alone = sample({"a": [right_on(160)]}, "accuracy", resamples=50, confidence=0.9)
    assert set(found.values) == {"a"}
    assert found.figure("a") == alone.figure("a")


def test_what_rows_do_not_tell_is_not_told():
    assert sample({"a": [right_on(9)]}, "average_precision", resamples=9, confidence=0.9) is None
    assert sample({}, "accuracy", resamples=9, confidence=0.9) is None
    odd = RowResults(who="tuned", split="test", rows=("a",), values={"accuracy": (math.inf,)})
    assert sample({"a": [odd]}, "accuracy", resamples=9, confidence=0.9) is None
