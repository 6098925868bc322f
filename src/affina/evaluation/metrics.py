"""Classification metrics from probabilities: point values, and bootstrap intervals over the rows.

Accuracy, macro-F1 (over the classes that occur among targets or predictions, as scikit-learn counts them),
cross-entropy, and the expected calibration error with 15 equal-width bins (Guo et al. 2017, section 2); precision,
recall and F1 of each class; and the confusion matrix. How the intervals are drawn is `intervals`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.intervals import Floats, Measure, bootstrap
from affina.evaluation.proportions import all_widened
from affina.record.figures import Measured
from affina.record.payloads import CellShare, ClassRow, Scores

BINS: Final = 15
METRICS: Final = ("accuracy", "macro_f1", "loss", "calibration_error")
"""In the order in which they are computed; which way is better says `record.measures`."""
NO_SHARES: Final = (2, 3)
"""The places of those that are no share of rows."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What one row contributes, so that a resample is a weighted count.

    Attributes:
        true: [cells], the true class of each cell of the confusion matrix that holds any row.
        predicted: [cells], its predicted class.
        cell: [rows], the row's cell.
        loss: [rows], its cross-entropy in nats.
        bin: [rows], the bin of its confidence.
        gap: [rows], whether it was right minus its confidence.
        classes: how many classes there are.
    """

    true: Integers
    predicted: Integers
    cell: Integers
    loss: Floats
    bin: Integers
    gap: Floats
    classes: int


def quick(probabilities: Floats, targets: Sequence[int] | Integers) -> dict[str, float]:
    """The metrics without intervals, for evaluations in the middle of training."""
    statistics = _statistics(probabilities, np.asarray(targets, dtype=np.int64))
    figures = _measure(statistics, np.ones(len(targets)))[: len(METRICS)]
    return dict(zip(METRICS, figures.tolist(), strict=True))


def measure_of(probabilities: Floats, targets: Integers) -> Measure:
    """How often each row counts to `METRICS`."""
    statistics = _statistics(probabilities, targets)
    return lambda weights: _measure(statistics, weights)[: len(METRICS)]


def score(  # noqa: PLR0913 - all named at the call
    probabilities: Floats,
    targets: Sequence[int] | Integers,
    labels: Sequence[str],
    *,
    who: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> Scores:
    """All metrics, the per-class table and the confusion matrix, each figure with its interval.

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
    statistics = _statistics(probabilities, np.asarray(targets, dtype=np.int64))
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    confusion[statistics.true, statistics.predicted] = np.bincount(statistics.cell)
    found = bootstrap(
        partial(_measure, statistics), len(targets), resamples=resamples, confidence=confidence, seed=seed
    )
    drawn = [
        Measured(value=value, low=low, high=high, n=n)
        for value, low, high, n in zip(*(part.tolist() for part in found), _rows_of(statistics, confusion), strict=True)
    ]
    figures = all_widened(drawn, but=NO_SHARES, confidence=confidence)
    ends = np.cumsum([len(METRICS), *[len(labels)] * 3])
    metrics, *by_class, cells = (figures[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True))
    return Scores(
        who=who,
        split=split,
        metrics=dict(zip(METRICS, metrics, strict=True)),
        classes=tuple(
            ClassRow(label=label, precision=precision, recall=recall, f1=f1)
            for label, precision, recall, f1 in zip(labels, *by_class, strict=True)
        ),
        confusion=tuple(map(tuple, confusion.tolist())),
        cells=tuple(
            CellShare(true=true, predicted=predicted, share=share)
            for true, predicted, share in zip(
                statistics.true.tolist(), statistics.predicted.tolist(), cells, strict=True
            )
        ),
    )


def _statistics(probabilities: Floats, truth: Integers) -> _Statistics:
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(truth)), predicted]
    filled, cell = np.unique(truth * classes + predicted, return_inverse=True)
    return _Statistics(
        true=filled // classes,
        predicted=filled % classes,
        cell=cell,
        loss=-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], np.finfo(np.float64).tiny)),
        bin=np.minimum((confidence * BINS).astype(np.int64), BINS - 1),
        gap=(predicted == truth) - confidence,
        classes=classes,
    )


def _measure(statistics: _Statistics, weights: Floats) -> Floats:
    """Every figure where row i counts `weights[i]` times; what these rows cannot tell is not a number.

    Returns:
        [4 + 3 x classes + cells]: the metrics, then precision, recall and F1 by class, then the share that each filled
        cell of the confusion matrix has of its true class.
    """
    classes, total = statistics.classes, weights.sum()
    counts = _sums(weights, statistics.cell, bins=len(statistics.true))
    right = _sums(counts * (statistics.true == statistics.predicted), statistics.true, bins=classes)
    support = _sums(counts, statistics.true, bins=classes)
    given = _sums(counts, statistics.predicted, bins=classes)
    f1 = _share(2 * right, support + given)
    gaps = _sums(weights * statistics.gap, statistics.bin, bins=BINS)
    metrics = (
        right.sum() / total,  # accuracy
        np.nanmean(f1),  # macro-F1
        weights @ statistics.loss / total,
        np.abs(gaps).sum() / total,  # calibration error
    )
    cells = _share(counts, support[statistics.true])
    return np.concatenate([metrics, _share(right, given), _share(right, support), f1, cells])


def _rows_of(statistics: _Statistics, confusion: Integers) -> list[int]:
    """How many rows each figure of `_measure` is about, in its order."""
    support, given = confusion.sum(axis=1), confusion.sum(axis=0)
    metrics = np.full(len(METRICS), len(statistics.cell))
    either = support + given - confusion.diagonal()
    counts: list[int] = np.concatenate([metrics, given, support, either, support[statistics.true]]).tolist()
    return counts


def _sums(amounts: Floats, places: Integers, *, bins: int) -> Floats:
    return np.bincount(places, amounts, minlength=bins).astype(np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares
