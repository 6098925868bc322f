"""Metrics against scikit-learn and by hand; intervals that cover; bootstrap draws that follow the definition."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from affina.evaluation import metrics
from affina.evaluation.baselines import softmax


def draw(rows, classes, *, seed=0, skill=2.0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes))
    logits[np.arange(rows), targets] += skill
    return softmax(logits.astype(np.float32)), targets.tolist()


def score(found, targets, *, resamples=200, confidence=0.95):
    labels = [f"label {place}" for place in range(found.shape[1])]
    return metrics.score(
        found, targets, labels, who="tuned", split="test", resamples=resamples, confidence=confidence, seed=1
    )


@pytest.mark.parametrize("classes", [2, 5, 77])
def test_point_values_are_scikit_learns(classes):
    found, targets = draw(300, classes)
    predicted = found.argmax(axis=1)
    quick = metrics.quick(found, targets)
    assert quick["accuracy"] == pytest.approx(accuracy_score(targets, predicted))
    assert quick["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert quick["loss"] == pytest.approx(log_loss(targets, found, labels=range(classes)))
    scores = score(found, targets)
    assert scores.confusion == tuple(map(tuple, confusion_matrix(targets, predicted, labels=range(classes)).tolist()))
    each = precision_recall_fscore_support(targets, predicted, labels=range(classes), zero_division=0)
    rows = [(row.precision.value, row.recall.value, row.f1.value, row.support) for row in scores.classes]
    assert np.allclose(rows, np.transpose(each))
    assert {name: figure.value for name, figure in scores.metrics.items()} == pytest.approx(quick)


def test_calibration_error_by_hand():
    # two bins: confidence 0.9 right once in two, confidence 0.6 right always
    found = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    assert metrics.quick(found, [0, 1, 1, 1])["calibration_error"] == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert metrics.quick(np.array([[1.0, 0.0], [0.0, 1.0]]), [0, 1])["calibration_error"] == pytest.approx(0)


def test_a_class_that_nobody_has_or_predicts_does_not_count_for_macro_f1():
    found = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert metrics.quick(found, [0, 1])["macro_f1"] == 1.0


def test_certain_and_wrong_is_a_large_loss_and_not_infinity():
    assert 100 < metrics.quick(np.array([[1.0, 0.0]]), [1])["loss"] < 1000


def test_intervals_contain_the_value_and_shrink_with_more_rows():
    wide, narrow = (score(*draw(rows, 4)).metrics["accuracy"] for rows in (50, 2000))
    for figure in (wide, narrow):
        assert figure.low <= figure.value <= figure.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert (wide.n, narrow.n) == (50, 2000)


def test_the_accuracy_interval_is_the_binomial_one():
    found, targets = draw(1000, 3)
    figure = score(found, targets, resamples=2000).metrics["accuracy"]
    deviation = np.sqrt(figure.value * (1 - figure.value) / 1000)
    assert (figure.high - figure.low) / 2 == pytest.approx(1.96 * deviation, rel=0.1)


def test_a_lower_confidence_gives_a_narrower_interval_and_the_seed_decides_the_draws():
    found, targets = draw(200, 3)
    one, other = (score(found, targets, confidence=level).metrics["loss"] for level in (0.95, 0.6))
    assert other.high - other.low < one.high - one.low
    assert score(found, targets) == score(found, targets)


def test_each_figure_of_a_class_has_an_interval_around_it():
    for row in score(*draw(500, 4)).classes:
        for figure in (row.precision, row.recall, row.f1):
            assert 0 < figure.low < figure.value < figure.high < 1


def test_the_intervals_of_recall_precision_and_cells_are_the_binomial_ones():
    found, targets = draw(2000, 2, skill=1.0)
    scores = score(found, targets, resamples=2000)
    mistakes = next(cell.share for cell in scores.cells if (cell.true, cell.predicted) == (1, 0))
    for figure in (scores.classes[0].recall, scores.classes[1].precision, mistakes):
        deviation = np.sqrt(figure.value * (1 - figure.value) / figure.n)
        assert (figure.high - figure.low) / 2 == pytest.approx(1.96 * deviation, rel=0.1)


def test_a_draw_without_a_rare_class_says_nothing_of_it():
    targets = [0] * 48 + [1] * 2
    rare = score(np.eye(2)[targets], targets).classes[1]
    for figure in (rare.precision, rare.recall, rare.f1):
        assert (figure.value, figure.high, figure.n) == (1.0, 1.0, 2)
        assert figure.low == pytest.approx(0.3424, abs=1e-4), "what two rows leave room for (Wilson)"


def test_a_figure_that_no_row_can_tell_is_zero_and_certain():
    absent = score(np.eye(3)[[0, 1, 1]], [0, 0, 1]).classes[2]
    for figure in (absent.precision, absent.recall, absent.f1):
        assert (figure.value, figure.low, figure.high, figure.n) == (0.0, 0.0, 0.0, 0)


def test_every_filled_cell_of_the_confusion_matrix_has_its_share_of_the_true_class():
    scores = score(*draw(60, 5, skill=0.5))
    confusion = np.array(scores.confusion)
    assert [[cell.true, cell.predicted] for cell in scores.cells] == np.argwhere(confusion).tolist()
    for cell in scores.cells:
        row = confusion[cell.true]
        assert cell.share.value == pytest.approx(row[cell.predicted] / row.sum())
        assert cell.share.n == row.sum()
        assert cell.share.low <= cell.share.value <= cell.share.high


def test_probabilities_of_huge_logits():
    found = softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], dtype=np.float32))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]
