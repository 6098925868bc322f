"""Two predictors on the same rows: the difference, its interval, McNemar's test, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest
from report_records import row_results, scores
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from affina.record.row_results import RowResults
from affina.reporting import paired as pairing
from affina.reporting.paired import against, aligned, discordant, figure_of, mcnemar, paired, shared_rows
from affina.reporting.verdict import headline, verdict


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (3, 14), (14, 3), (50, 49), (400, 310), (5_000, 4_700)])
def test_mcnemar_is_the_exact_binomial_test(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-6)


def drawn(accuracy, *, rows=400, seed=0):
    generator = np.random.default_rng(seed)
    expected = generator.integers(0, 5, rows)
    predicted = np.where(generator.random(rows) < accuracy, expected, (expected + 1) % 5)
    return RowResults(
        who="a",
        split="test",
        rows=tuple(f"{place:08x}" for place in range(rows)),
        values={"accuracy": tuple((expected == predicted).astype(float).tolist())},
        expected=tuple(expected.tolist()),
        predicted=tuple(predicted.tolist()),
    )


def shuffled(results, seed=3):
    order = np.random.default_rng(seed).permutation(len(results.rows))
    return RowResults(
        who=results.who,
        split=results.split,
        rows=tuple(results.rows[place] for place in order),
        values={key: tuple(found[place] for place in order) for key, found in results.values.items()},
        expected=tuple(results.expected[place] for place in order),
        predicted=tuple(results.predicted[place] for place in order),
    )


def test_the_interval_of_a_mean_difference_is_that_of_the_normal_approximation():
    good, bad = row_results("a", 0.9, rows=400), row_results("b", 0.8, rows=400)
    found = paired(good, bad, "accuracy").difference
    differences = np.asarray(good.values["accuracy"]) - np.asarray(bad.values["accuracy"])
    error = differences.std() / 20
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 1.96 * error, abs=0.006)
    assert found.high == pytest.approx(0.1 + 1.96 * error, abs=0.006)
    assert paired(good, bad, "accuracy").discordant.first == 40


def test_a_narrower_level_gives_a_narrower_interval():
    good, bad = row_results("a", 0.9), row_results("b", 0.8)
    wide, narrow = (paired(good, bad, "accuracy", confidence=level).difference for level in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_macro_f1_is_that_of_scikit_learn():
    first, second = drawn(0.9), drawn(0.9, seed=0)
    second = replace(second, predicted=tuple((place * 7) % 5 for place in range(400)))
    expected = f1_score(first.expected, first.predicted, average="macro") - f1_score(
        second.expected, second.predicted, average="macro"
    )
    found = paired(first, second, "macro_f1")
    assert found.difference.value == pytest.approx(expected)
    assert found.difference.low < expected < found.difference.high
    assert found.discordant is None


def test_the_order_of_the_rows_does_not_matter():
    first, second = drawn(0.9), replace(drawn(0.9), predicted=drawn(0.6).predicted)
    here, there = (paired(first, other, "macro_f1").difference for other in (second, shuffled(second)))
    assert here.value == pytest.approx(there.value)
    assert paired(first, shuffled(first), "accuracy").difference.value == 0


def test_other_rows_are_not_compared():
    first = row_results("a", 0.9)
    assert paired(first, row_results("b", 0.9, first=1), "accuracy") is None
    assert paired(first, row_results("b", 0.9, rows=119), "accuracy") is None
    assert aligned(first, row_results("b", 0.9, first=1)) is None
    assert shared_rows(first, row_results("b", 0.9, first=1)) == 119


def test_a_metric_without_parts_by_row_is_not_compared():
    first = replace(row_results("a", 0.9), expected=(), predicted=())
    assert paired(first, first, "macro_f1") is None
    assert paired(first, first, "rmse") is None


def test_a_figure_follows_how_often_each_row_counts_whatever_the_order_of_the_rows():
    rows = ("b", "a", "c")
    parts = {"slot_unjudged": ((1.0, 2.0, 0.0), (4.0, 2.0, 2.0)), "perplexity": ((1.0, 2.0, 0.0), (4.0, 2.0, 2.0))}
    found = RowResults(who="a", split="test", rows=rows, values={"accuracy": (0.0, 1.0, 1.0)}, parts=parts)
    weights = np.array([2.0, 1.0, 0.0])

    assert figure_of(found, "accuracy")(weights) == pytest.approx(2 / 3)
    assert figure_of(found, "slot_unjudged")(weights) == pytest.approx((2 * 2 + 1) / (2 * 2 + 4))
    assert figure_of(found, "perplexity")(weights) == pytest.approx(np.exp(5 / 8))
    assert figure_of(found, "macro_f1") is None


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_metric_that_is_no_finite_number_is_not_compared(value):
    means = replace(row_results("a", 0.9, rows=2), values={"accuracy": (1.0, value)})
    sums = replace(means, values={}, parts={"loss": ((1.0, value), (1.0, 1.0))}, expected=(), predicted=())

    assert figure_of(means, "accuracy") is None
    assert paired(means, means, "accuracy") is None
    assert paired(sums, sums, "loss") is None


def test_no_rows_are_no_comparison():
    nothing = RowResults(who="a", split="test", rows=(), values={"accuracy": ()})
    assert paired(nothing, nothing, "accuracy") is None


def test_the_verdict_is_settled_by_the_same_rows_where_the_intervals_overlap():
    scored = {item.who: item for item in (scores("linear_probe", 0.85), scores("tuned", 0.9))}
    apart = verdict(scored, chosen_metric="accuracy")
    assert apart.outcome == "open"
    rows = {who: row_results(who, share) for who, share in (("linear_probe", 0.85), ("tuned", 0.9))}
    together = verdict(scored, chosen_metric="accuracy", rows=rows)
    assert together.outcome == "better"
    assert "the difference on the same 120 rows is +" in together.sentence
    assert headline(together) == "Better than the linear probe by 5.0 points of accuracy"


@pytest.mark.parametrize(
    ("tuned", "said"),
    [
        (0.85, "Level with the linear probe on these rows"),
        (0.84, "1.0 points of accuracy below the linear probe: too little for these rows to tell"),
    ],
)
def test_an_open_verdict_says_what_is_there_and_that_it_is_too_little(tuned, said):
    scored = {item.who: item for item in (scores("linear_probe", 0.85), scores("tuned", tuned))}
    assert headline(verdict(scored, chosen_metric="accuracy")) == said


def test_few_rows_that_differ_settle_nothing_whatever_the_bootstrap_says():
    better, worse = row_results("a", 1.0, rows=20), row_results("b", 0.8, rows=20)
    found = paired(better, worse, "accuracy")
    assert found.leaves_out_zero
    assert found.discordant.p == pytest.approx(0.125)
    assert not found.settled
    assert paired(row_results("a", 1.0, rows=40), row_results("b", 0.8, rows=40), "accuracy").settled


def test_a_baseline_on_some_of_the_rows_is_compared_on_these():
    tuned = row_results("tuned", 0.9)
    part = row_results("label_scoring", 0.5)
    few = replace(
        part,
        rows=part.rows[30:90:2],
        expected=part.expected[30:90:2],
        predicted=part.predicted[30:90:2],
        values={name: values[30:90:2] for name, values in part.values.items()},
    )
    found = against(tuned, few, "accuracy")
    ours, theirs = (np.asarray(one.values["accuracy"])[30:90:2] for one in (tuned, part))

    assert found.difference.n == 30
    assert found.difference.value == pytest.approx((ours - theirs).mean())
    assert against(tuned, few, "macro_f1").difference.n == 30
    assert paired(tuned, few, "accuracy") is None
    assert against(tuned, replace(few, rows=("f" * 8, *few.rows[1:])), "accuracy") is None
    asked = scores("label_scoring", 0.5)
    asked = replace(asked, metrics={name: replace(figure, n=30) for name, figure in asked.metrics.items()})
    scored = {"tuned": scores("tuned", 0.9), "label_scoring": asked}
    told = verdict(scored, chosen_metric="accuracy", rows={"tuned": tuned, "label_scoring": few})
    assert "on the same 30 rows" in told.sentence
    assert told.difference == found.difference.value


def test_the_rows_that_one_of_two_got_right_are_counted_without_a_bootstrap(monkeypatch):
    good, bad = row_results("a", 0.9), row_results("b", 0.8)
    expected = paired(good, bad, "accuracy").discordant
    monkeypatch.setattr(pairing, "RESAMPLES", 0)  # with none of them an interval cannot be made
    assert discordant(good, bad, "accuracy") == expected
    assert discordant(good, bad, "loss") is None
    assert discordant(good, bad, "macro_f1") is None
    assert discordant(good, row_results("b", 0.8, first=1), "accuracy") is None
