"""What the report compares row by row is what the metrics are made of, for every task."""

import numpy as np
import pytest

from affina.evaluation.judging.base import Sampling, Thresholds
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.judging.numbers import NumberJudge
from affina.evaluation.judging.sets import SetJudge

CHANCE = np.random.default_rng(0)
SHARES = CHANCE.dirichlet((1.0, 1.0, 1.0), 40)
PLACES = CHANCE.integers(0, 3, 40)
SETS = CHANCE.random((40, 3)) < 0.5
NUMBERS = CHANCE.normal(size=40)
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
