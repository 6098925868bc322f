"""Metrics of label sets and thresholds, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_recall_fscore_support

from affina.evaluation import set_metrics
from affina.evaluation.judging.sets import SetJudge
from affina.evaluation.probes import fit_one_vs_rest, sigmoid
from affina.evaluation.thresholds import POSITIVES, best_threshold, choose_thresholds
from affina.tasks.base import Example


def draw(rows=400, labels=6, *, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, labels)) < np.linspace(0.05, 0.6, labels)
    logits = generator.normal(size=(rows, labels)) + 1.5 * truth - 1
    return sigmoid(np.round(logits, 1)), truth  # rounded, so that some probabilities are equal


def test_point_values_are_scikit_learns():
    found, truth = draw()
    thresholds = np.linspace(0.3, 0.5, 6)
    given = found >= thresholds
    quick = set_metrics.quick(found, truth, thresholds)
    assert quick["micro_f1"] == pytest.approx(f1_score(truth, given, average="micro"))
    assert quick["macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))
    assert quick["subset_accuracy"] == pytest.approx((truth == given).all(axis=1).mean())
    assert quick["average_precision"] == pytest.approx(average_precision_score(truth, found, average="macro"))
    losses = [log_loss(true, column) for true, column in zip(truth.T, found.T, strict=True)]
    assert quick["loss"] == pytest.approx(np.mean(losses))
    scores = set_metrics.score(
        found,
        truth,
        thresholds,
        list("abcdef"),
        who="tuned",
        split="test",
        resamples=50,
        confidence=0.95,
        seed=0,
    )
    each = precision_recall_fscore_support(truth, given)
    rows = [(row.precision.value, row.recall.value, row.f1.value, row.support) for row in scores.classes]
    assert np.allclose(rows, np.transpose(each))
    for name, figure in scores.metrics.items():
        assert figure.value == pytest.approx(quick[name])
        assert figure.low < figure.value < figure.high
    assert scores.confusion == ()


def one_label_at_a_time(probabilities, truth, weights):
    """Average precision as it is defined, of each label in its own loop."""
    found = np.full(truth.shape[1], np.nan)
    for label, (column, true) in enumerate(zip(probabilities.T, truth.T, strict=True)):
        steps = [
            (weights[at & true].sum(), weights[at].sum()) for at in (column >= p for p in sorted(set(column))[::-1])
        ]
        right = np.array([0.0, *(step[0] for step in steps)])
        if right[-1]:
            precision = np.array([have / seen if seen else 0.0 for have, seen in steps])
            found[label] = (precision * np.diff(right)).sum() / right[-1]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_all_labels_at_once_are_what_each_is_alone(seed):
    found, truth = draw(60, 9, seed=seed)
    truth[:, 4] = False  # one that nobody has
    truth[:, 5] = True
    found[:, 6] = 0.25  # equal for all rows
    statistics = set_metrics._statistics(found, truth, np.full(9, 0.5))
    generator = np.random.default_rng(seed)
    for _ in range(5):
        weights = np.bincount(generator.integers(0, 60, 60), minlength=60).astype(float)
        got = set_metrics._precisions(statistics.ranking, weights)
        assert np.allclose(got, one_label_at_a_time(found, truth, weights), rtol=1e-12, equal_nan=True)


def test_labels_that_nobody_has_or_gives_are_no_zero_of_macro_f1():
    truth = np.array([[True, False], [True, False]])
    found = np.array([[0.9, 0.1], [0.9, 0.1]])
    assert set_metrics.quick(found, truth, np.full(2, 0.5))["macro_f1"] == 1.0
    nothing = set_metrics.quick(found * 0, truth & False, np.full(2, 0.5))
    assert (nothing["micro_f1"], nothing["macro_f1"], nothing["subset_accuracy"]) == (0, 0, 1)


def test_the_best_threshold_is_the_best_of_all():
    found, truth = draw()
    threshold = best_threshold(found[:, 2], truth[:, 2])
    reached = f1_score(truth[:, 2], found[:, 2] >= threshold)
    assert reached == pytest.approx(max(f1_score(truth[:, 2], found[:, 2] >= at) for at in np.unique(found)))
    assert threshold not in found[:, 2], "half-way between two probabilities"
    assert best_threshold(np.array([0.2, 0.3]), np.array([False, False])) == 1.0
    assert best_threshold(np.array([0.2, 0.3]), np.array([True, True])) == pytest.approx(0.1)


def test_a_label_with_few_positives_stays_near_the_shared_threshold():
    generator = np.random.default_rng(1)
    truth = np.zeros((4000, 2), dtype=bool)
    truth[:2, 0], truth[:2000, 1] = True, True
    found = np.clip(0.5 + 0.2 * truth + 0.1 * generator.normal(size=truth.shape), 0.01, 0.99)
    shared = choose_thresholds(found, truth, policy="shared")
    assert len(set(shared.tolist())) == 1
    own = choose_thresholds(found, truth, policy="per_label")
    alone = [best_threshold(found[:, label], truth[:, label]) for label in range(2)]
    assert abs(own[0] - shared[0]) < 0.1 * abs(alone[0] - shared[0]), "2 positives"
    assert abs(own[1] - alone[1]) < 0.1 * max(abs(alone[1] - shared[1]), 0.05), "2,000 positives"
    assert POSITIVES > 2


def test_a_given_threshold_is_used_and_nothing_chosen():
    found, truth = draw()
    assert SetJudge(tuple("abcdef"), 0.4).decide(found, truth).values == (0.4,) * 6
    assert len(set(SetJudge(tuple("abcdef"), "per_label").decide(found, truth).values)) > 1
    chosen = SetJudge(tuple("abcdef")).decide(found, truth)
    assert len(set(chosen.values)) == 1
    assert "400 validation rows" in chosen.how


def test_the_guess_gives_every_row_the_most_frequent_set():
    judge = SetJudge(("a", "b", "c"))
    truth = judge.targets([Example((1,), None, target) for target in [(0, 2), (0, 2), (1,), (0,), ()]])
    guess, thresholds = judge.guess(truth, rows=2), judge.guess_thresholds(truth)
    assert [judge.answer(row, thresholds).labels for row in guess] == [("a", "c")] * 2
    assert guess[0].tolist() == pytest.approx([0.6, 0.2, 0.4])


def test_the_probe_has_a_regression_for_each_label_even_one_that_is_never_there():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(300, 10)).astype(np.float32)
    truth = np.stack([features[:, 0] > 0, features[:, 1] > 0, np.zeros(300, bool), np.ones(300, bool)], axis=1)
    found = fit_one_vs_rest(features, truth, strength=1.0).predict(features)
    assert ((found[:, :2] > 0.5) == truth[:, :2]).mean() > 0.95
    assert found[:, 2].max() < 0.01
    assert found[:, 3].min() > 0.99


def test_sigmoid_of_huge_logits():
    assert sigmoid(np.array([-1e4, 0.0, 1e4], dtype=np.float32)).tolist() == [0.0, 0.5, 1.0]
