"""Classification metrics from probabilities: point values, and bootstrap intervals over the rows.

Accuracy, macro-F1 (over the classes that occur among targets or predictions, as scikit-learn counts them),
cross-entropy, and the expected calibration error with 15 equal-width bins (Guo et al. 2017, section 2). Intervals
are percentile bootstrap intervals (Efron & Tibshirani 1993, chapter 13): rows are drawn with replacement, every
metric is computed again on each draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from affina.record.payloads import ClassRow, Measured, Scores

BINS: Final = 15
HIGHER_IS_BETTER: Final = {"accuracy": True, "macro_f1": True, "loss": False, "calibration_error": False}

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What one row contributes, so that a resample is a weighted count.

    Attributes:
        cell: [rows], the row's cell of the flattened confusion matrix.
        loss: [rows], its cross-entropy in nats.
        bin: [rows], the bin of its confidence.
        gap: [rows], whether it was right minus its confidence.
        classes: how many classes there are.
    """

    cell: Integers
    loss: Floats
    bin: Integers
    gap: Floats
    classes: int


def quick(probabilities: Floats, targets: Sequence[int]) -> dict[str, float]:
    """The metrics without intervals, for evaluations in the middle of training."""
    statistics = _statistics(probabilities, np.asarray(targets, dtype=np.int64))
    return _measure(statistics, np.ones(len(targets)))[0]


def score(  # noqa: PLR0913 - all named at the call
    probabilities: Floats,
    targets: Sequence[int],
    labels: Sequence[str],
    *,
    who: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> Scores:
    """All metrics with intervals, the per-class table and the confusion matrix.

    Args:
        probabilities: [rows, classes].
        targets: [rows], each the index of a label.
        labels: the classes in order.
        who: whose predictions these are.
        split: which rows these are.
        resamples: bootstrap draws.
        confidence: the level of the intervals.
        seed: decides the draws.
    """
    truth = np.asarray(targets, dtype=np.int64)
    statistics = _statistics(probabilities, truth)
    metrics, _ = _measure(statistics, np.ones(len(truth)))
    draws, class_draws = _resample(statistics, resamples=resamples, seed=seed)
    edges = (50 * (1 - confidence), 50 * (1 + confidence))
    measured = {
        name: Measured(value=value, low=float(low), high=float(high), n=len(truth))
        for (name, value), (low, high) in zip(metrics.items(), np.percentile(draws, edges, axis=0).T, strict=True)
    }
    return Scores(
        who=who,
        split=split,
        metrics=measured,
        classes=_class_table(probabilities, truth, labels, np.percentile(class_draws, edges, axis=0)),
        confusion=tuple(
            tuple(int(count) for count in row)
            for row in confusion_matrix(truth, probabilities.argmax(axis=1), labels=range(len(labels)))
        ),
    )


def _statistics(probabilities: Floats, truth: Integers) -> _Statistics:
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(truth)), predicted]
    return _Statistics(
        cell=truth * classes + predicted,
        loss=-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], np.finfo(np.float64).tiny)),
        bin=np.minimum((confidence * BINS).astype(np.int64), BINS - 1),
        gap=(predicted == truth) - confidence,
        classes=classes,
    )


def _measure(statistics: _Statistics, weights: Floats) -> tuple[dict[str, float], Floats]:
    """The metrics, and the F1 of each class [classes], where row i counts `weights[i]` times."""
    classes, total = statistics.classes, weights.sum()
    confusion = np.bincount(statistics.cell, weights, minlength=classes**2).reshape(classes, classes)
    right = confusion.diagonal()
    occurs = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = np.divide(2 * right, occurs, out=np.zeros(classes), where=occurs > 0)
    gaps = np.bincount(statistics.bin, weights * statistics.gap, minlength=BINS)
    return {
        "accuracy": float(right.sum() / total),
        "macro_f1": float(f1[occurs > 0].mean()),
        "loss": float(weights @ statistics.loss / total),
        "calibration_error": float(np.abs(gaps).sum() / total),
    }, f1


def _resample(statistics: _Statistics, *, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Metrics [resamples, metrics] and class F1 [resamples, classes] on draws with replacement."""
    generator = np.random.default_rng(seed)
    rows = len(statistics.cell)
    metrics, classes = [], []
    for _ in range(resamples):
        weights = np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)
        figures, f1 = _measure(statistics, weights)
        metrics.append(list(figures.values()))
        classes.append(f1)
    return np.asarray(metrics), np.asarray(classes)


def _class_table(
    probabilities: Floats, truth: Integers, labels: Sequence[str], intervals: Floats
) -> tuple[ClassRow, ...]:
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, probabilities.argmax(axis=1), labels=range(len(labels)), zero_division=0
    )
    return tuple(
        ClassRow(
            label=label,
            precision=float(precision[place]),
            recall=float(recall[place]),
            f1=float(f1[place]),
            f1_low=float(intervals[0, place]),
            f1_high=float(intervals[1, place]),
            support=int(support[place]),
        )
        for place, label in enumerate(labels)
    )
