"""Metrics of label sets: micro-F1, macro-F1, subset accuracy, mean average precision, cross-entropy; each label's own.

F1 is counted as scikit-learn does, macro-F1 over the labels that occur among targets or answers. Average precision is
the area under the steps of precision over recall, equal probabilities taken together, and its mean goes over the labels
that occur among the targets: it is the one figure here that no threshold moves. How the intervals are drawn is
`intervals`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.intervals import Floats, bootstrap
from affina.record.payloads import ClassRow, Measured, Scores

METRICS: Final = ("micro_f1", "macro_f1", "subset_accuracy", "average_precision", "loss")
"""In the order in which they are computed."""
Places = NDArray[np.int64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What one row contributes, so that a resample is a weighted count.

    Attributes:
        true: [rows, labels], as numbers, like the next two.
        given: [rows, labels].
        right: [rows, labels], both.
        exact: [rows], whether all labels are right.
        loss: [rows], the mean cross-entropy over the labels, in nats.
        orders: for each label its rows from the highest probability down,
        ends: and where equal probabilities end in that order.
    """

    true: Floats
    given: Floats
    right: Floats
    exact: Floats
    loss: Floats
    orders: tuple[Places, ...]
    ends: tuple[Places, ...]


def quick(probabilities: Floats, truth: Truth, thresholds: Floats) -> dict[str, float]:
    """The metrics without intervals; what these rows cannot tell is 0."""
    statistics = _statistics(probabilities, truth, thresholds)
    figures = np.nan_to_num(_measure(statistics, np.ones(len(truth)))[: len(METRICS)])
    return dict(zip(METRICS, figures.tolist(), strict=True))


def score(  # noqa: PLR0913 - all named at the call
    probabilities: Floats,
    truth: Truth,
    thresholds: Floats,
    labels: Sequence[str],
    *,
    who: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> Scores:
    """All metrics and the per-label table, each figure with its interval.

    Args:
        probabilities: [rows, labels].
        truth: [rows, labels].
        thresholds: [labels], from which probability on a label is given.
        labels: in order.
        who: whose predictions these are.
        split: which rows these are.
        resamples: bootstrap draws.
        confidence: the level of the intervals.
        seed: decides the draws.
    """
    statistics = _statistics(probabilities, truth, thresholds)
    found = bootstrap(partial(_measure, statistics), len(truth), resamples=resamples, confidence=confidence, seed=seed)
    figures = [
        Measured(value=value, low=low, high=high, n=n)
        for value, low, high, n in zip(*(part.tolist() for part in found), _rows_of(statistics), strict=True)
    ]
    ends = np.cumsum([len(METRICS), *[len(labels)] * 3])
    metrics, *by_label = (figures[start:end] for start, end in zip([0, *ends], ends, strict=False))
    return Scores(
        who=who,
        split=split,
        metrics=dict(zip(METRICS, metrics, strict=True)),
        classes=tuple(
            ClassRow(label=label, precision=precision, recall=recall, f1=f1)
            for label, precision, recall, f1 in zip(labels, *by_label, strict=True)
        ),
    )


def cross_entropy(probabilities: Floats, truth: Truth) -> Floats:
    """The mean over the labels of -log p of what is the case, in nats, for each row."""
    case = np.where(truth, probabilities, 1 - probabilities)
    return np.asarray(-np.log(np.maximum(case, np.finfo(np.float64).tiny)).mean(axis=1))


def _statistics(probabilities: Floats, truth: Truth, thresholds: Floats) -> _Statistics:
    given = probabilities >= thresholds
    orders = tuple(np.argsort(-column, kind="stable") for column in probabilities.T)
    ordered = [column[order] for column, order in zip(probabilities.T, orders, strict=True)]
    return _Statistics(
        true=truth.astype(np.float64),
        given=given.astype(np.float64),
        right=(given & truth).astype(np.float64),
        exact=(given == truth).all(axis=1).astype(np.float64),
        loss=cross_entropy(probabilities, truth),
        orders=orders,
        ends=tuple(np.flatnonzero(np.append(column[1:] != column[:-1], True)) for column in ordered),
    )


def _measure(statistics: _Statistics, weights: Floats) -> Floats:
    """Every figure where row i counts `weights[i]` times; what these rows cannot tell is not a number.

    Returns:
        [5 + 3 x labels]: the metrics, then precision, recall and F1 by label.
    """
    right, true, given = (weights @ part for part in (statistics.right, statistics.true, statistics.given))
    f1 = _share(2 * right, true + given)
    metrics = (
        float(_share(np.array([2 * right.sum()]), np.array([true.sum() + given.sum()]))[0]),
        _mean(f1),
        weights @ statistics.exact / weights.sum(),
        _mean(_precisions(statistics, weights)),
        weights @ statistics.loss / weights.sum(),
    )
    return np.concatenate([metrics, _share(right, given), _share(right, true), f1])


def _precisions(statistics: _Statistics, weights: Floats) -> Floats:
    """The average precision of each label; not a number where no row has it."""
    found = np.full(len(statistics.orders), np.nan)
    for label, (order, ends) in enumerate(zip(statistics.orders, statistics.ends, strict=True)):
        counts = weights[order]
        right, seen = np.cumsum(counts * statistics.true[order, label])[ends], np.cumsum(counts)[ends]
        if right[-1] > 0:
            found[label] = np.nansum(_share(right, seen) * np.diff(right, prepend=0.0)) / right[-1]
    return found


def _rows_of(statistics: _Statistics) -> list[int]:
    """How many rows each figure of `_measure` is about, in its order."""
    true, given, right = (part.sum(axis=0) for part in (statistics.true, statistics.given, statistics.right))
    metrics = np.full(len(METRICS), len(statistics.true))
    counts: list[int] = np.concatenate([metrics, given, true, true + given - right]).astype(np.int64).tolist()
    return counts


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares
