"""What the report compares row by row is what the metrics are made of, for every task."""

import numpy as np
import pytest

from affina.evaluation.judging.base import Sampling, Thresholds
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.judging.numbers import NumberJudge
from affina.evaluation.judging.sets import SetJudge
from affina.record.row_results import RowResults
from affina.reporting.paired import paired

CHANCE = np.random.default_rng(0)
SHARES = CHANCE.dirichlet((1.0, 1.0, 1.0), 40)
PLACES = CHANCE.integers(0, 3, 40)
SETS = CHANCE.random((40, 3)) < 0.5
NUMBERS = CHANCE.normal(size=40)
KEYS = tuple(f"{place:08x}" for place in range(40))
AT = Thresholds((0.3, 0.4, 0.2), "by hand")
CASES = {
    "classes": (ClassJudge(("a", "b", "c")), SHARES, PLACES, None),
    "sets": (SetJudge(("a", "b", "c")), SHARES, SETS, AT),
    "numbers": (NumberJudge(), NUMBERS[:, None] + CHANCE.normal(size=(40, 1)), NUMBERS, None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_metric_is_the_mean_of_its_rows(case):
    judge, outputs, targets, thresholds = CASES[case]
    scores = judge.score(
        outputs, targets, thresholds, who="x", split="test", sampling=Sampling(resamples=5, confidence=0.9, seed=0)
    )
    found = judge.by_row(outputs, targets, thresholds)

    assert found.values
    for name, values in found.values.items():
        assert values.shape == (40,)
        assert values.mean() == pytest.approx(scores.metrics[name].value)


@pytest.mark.parametrize("case", CASES)
def test_a_row_that_is_right_by_every_measure_is_not_wrong(case):
    judge, outputs, targets, thresholds = CASES[case]
    wrongness = judge.wrongness(outputs, targets, thresholds)
    values = judge.by_row(outputs, targets, thresholds).values
    right = {"classes": "accuracy", "sets": "subset_accuracy"}.get(case)

    assert len(judge.sureness(outputs)) == 40
    if right is None:
        np.testing.assert_allclose(wrongness, values["mae"])
    else:
        assert ((wrongness == 0) == (values[right] == 1)).all()


@pytest.mark.parametrize(("case", "metric"), [("sets", "micro_f1"), ("numbers", "rmse")])
def test_a_metric_that_is_no_mean_is_paired_by_its_parts(case, metric):
    judge, outputs, targets, thresholds = CASES[case]
    better = targets.astype(float) if case == "sets" else targets[:, None] + 0.01
    sampling = Sampling(resamples=5, confidence=0.9, seed=0)
    figures, rows = {}, {}
    for who, found in (("one", outputs), ("two", better)):
        scores = judge.score(found, targets, thresholds, who=who, split="test", sampling=sampling)
        by_row = judge.by_row(found, targets, thresholds)
        parts = {name: tuple(tuple(part.tolist()) for part in all_parts) for name, all_parts in by_row.parts.items()}
        figures[who] = scores.metrics[metric].value
        rows[who] = RowResults(who=who, split="test", rows=KEYS, values={}, parts=parts)
    pair = paired(rows["one"], rows["two"], metric)

    assert pair.difference.value == pytest.approx(figures["one"] - figures["two"])
    assert pair.difference.low <= pair.difference.value <= pair.difference.high
    assert pair.settled
    assert paired(rows["one"], rows["one"], metric).difference.value == 0


@pytest.mark.parametrize("case", CASES)
def test_thresholds_are_found_where_a_judge_says_that_it_has_them(case):
    judge, outputs, targets, _ = CASES[case]

    assert judge.has_thresholds == (judge.decide(outputs, targets) is not None)
