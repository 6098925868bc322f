"""Metrics of numbers against scikit-learn and SciPy, the ridge probe against scikit-learn, stopping on an error."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from affina.evaluation import number_metrics
from affina.evaluation.judging.numbers import NumberJudge
from affina.evaluation.probes import fit_ridge
from affina.models.units import Units
from affina.record.strict import strict_json


def draw(rows=300, *, seed=0):
    generator = np.random.default_rng(seed)
    truth = np.round(generator.normal(50, 12, rows))  # whole numbers: ties in the ranks
    return truth + generator.normal(3, 9, rows), truth


def test_point_values_are_those_of_others():
    found, truth = draw()
    quick = number_metrics.quick(found, truth)
    assert quick["rmse"] == pytest.approx(mean_squared_error(truth, found) ** 0.5)
    assert quick["mae"] == pytest.approx(mean_absolute_error(truth, found))
    assert quick["r2"] == pytest.approx(r2_score(truth, found))
    assert quick["pearson"] == pytest.approx(stats.pearsonr(truth, found).statistic)
    assert quick["spearman"] == pytest.approx(stats.spearmanr(truth, found).statistic)


def test_a_resample_is_measured_as_the_rows_that_it_draws():
    found, truth = draw(60)
    drawn = np.random.default_rng(3).integers(0, 60, 60)
    counts = np.bincount(drawn, minlength=60).astype(float)
    weighted = number_metrics._measure(found, truth, counts)
    assert weighted == pytest.approx(list(number_metrics.quick(found[drawn], truth[drawn]).values()))


def test_intervals_hold_the_values():
    found, truth = draw()
    scores = number_metrics.score(found, truth, who="tuned", split="test", resamples=200, confidence=0.95, seed=0)
    assert list(scores.metrics) == ["rmse", "mae", "r2", "pearson", "spearman"]
    assert all(figure.low < figure.value < figure.high for figure in scores.metrics.values())
    assert {figure.n for figure in scores.metrics.values()} == {300}
    assert (scores.classes, scores.confusion) == ((), ())


def score(found, truth):
    return number_metrics.score(found, truth, who="mean", split="test", resamples=50, confidence=0.95, seed=0)


def test_what_never_changes_has_no_correlation():
    _, truth = draw()
    scores = score(np.full(300, truth.mean()), truth)
    assert scores.undefined == ("pearson", "spearman")
    assert list(scores.metrics) == ["rmse", "mae", "r2"]
    assert scores.metrics["r2"].value == pytest.approx(0)
    assert set(number_metrics.quick(np.full(300, truth.mean()), truth)) == {"rmse", "mae", "r2"}
    assert score(truth, truth * 0 + 5).undefined == ("r2", "pearson", "spearman")


def test_numbers_far_from_zero_have_the_correlation_that_they_have_near_it():
    found, truth = draw()
    near, far = score(found, truth), score(found + 1e10, truth + 1e10)
    for name in number_metrics.METRICS:
        assert far.metrics[name].value == pytest.approx(near.metrics[name].value, rel=1e-4), name
    noise = truth.mean() + np.random.default_rng(0).normal(size=300) * 1e-7  # a model that says the same of all texts
    assert "pearson" in score(noise, truth).undefined


def test_what_is_beyond_the_range_of_floats_is_not_defined_and_no_json_holds_a_nan():
    _, truth = draw()
    scores = score(truth * 1e98, truth * 1e98)  # the largest numbers that are read
    assert not scores.undefined
    assert scores.metrics["pearson"].value == pytest.approx(1)
    scores = score(truth * 1e305, -truth * 1e305)
    assert "rmse" in scores.undefined
    assert all(np.isfinite([figure.value, figure.low, figure.high]).all() for figure in scores.metrics.values())
    shown = json.loads(strict_json(scores.as_json()), parse_constant=pytest.fail)
    assert shown["rmse"]["value"] is None
    assert json.loads(strict_json({"a": [1.0, float("nan")], "b": float("inf")})) == {"a": [1.0, None], "b": None}


@pytest.mark.parametrize("intercept", [True, False])
def test_the_probe_is_a_ridge_regression_on_scaled_features(intercept):
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(200, 12)) * 30).astype(np.float32)
    truth = features[:, 0] * 0.2 + generator.normal(size=200) + 70
    judge = NumberJudge(Units(70.0, 5.0))
    probe = judge.fit(features, truth, strength=0.05, intercept=intercept)
    scaled = features.astype(np.float64) / np.sqrt(np.mean(np.square(features, dtype=np.float64)))
    oracle = Ridge(alpha=80.0, fit_intercept=intercept).fit(scaled, (truth - 70) / 5)
    assert np.allclose(probe.predict(features)[:, 0], 70 + 5 * oracle.predict(scaled), atol=1e-4)
    assert intercept or not probe.bias.any()


def test_the_guess_is_the_mean_and_its_loss_the_variance():
    _, truth = draw()
    judge = NumberJudge(Units(float(truth.mean()), float(truth.std())))
    guess = judge.guess(truth, rows=300)
    assert judge.loss(guess, truth) == pytest.approx(1.0)
    assert judge.quick(guess, truth)["rmse"] == pytest.approx(truth.std())
    assert fit_ridge(np.zeros((300, 2), np.float32), truth, strength=1.0, read=judge.read).bias[0] == pytest.approx(
        truth.mean()
    )
