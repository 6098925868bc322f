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

from affina.evaluation.intervals import Floats, Measure, bootstrap, untold_as_zero
from affina.evaluation.proportions import all_widened
from affina.record.figures import Measured
from affina.record.payloads import ClassRow, Scores

METRICS: Final = ("micro_f1", "macro_f1", "subset_accuracy", "average_precision", "loss")
"""In the order in which they are computed."""
Places = NDArray[np.int64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The rows of each label from its highest probability down, label after label, and where the right ones stand.

    Precision is looked at where a row has the label, at the last of the equal probabilities there. A draw is then one
    running sum over all labels: since every label's ranking holds every row, what came before a label is known.

    Attributes:
        rows: [labels x rows], the rows in that order.
        label: [right rows of all labels], the label,
        row: the row that has it,
        end: the place in `rows` of the last row that is as probable,
        last: and the place, among the right rows, of the last of them that is as probable.
        first: [labels], the place of the label's first right row.
    """

    rows: Places
    label: Places
    row: Places
    end: Places
    last: Places
    first: Places


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What one row contributes, so that a resample is a weighted count.

    Attributes:
        true: [rows, labels], as numbers, like the next two.
        given: [rows, labels].
        right: [rows, labels], both.
        exact: [rows], whether all labels are right.
        loss: [rows], the mean cross-entropy over the labels, in nats.
        ranking: what average precision is counted on.
    """

    true: Floats
    given: Floats
    right: Floats
    exact: Floats
    loss: Floats
    ranking: _Ranking


def quick(probabilities: Floats, truth: Truth, thresholds: Floats) -> dict[str, float]:
    """The metrics without intervals; what these rows cannot tell is 0."""
    statistics = _statistics(probabilities, truth, thresholds)
    figures = untold_as_zero(_measure(statistics, np.ones(len(truth)))[: len(METRICS)])
    return dict(zip(METRICS, figures.tolist(), strict=True))


def measure_of(probabilities: Floats, truth: Truth, thresholds: Floats) -> Measure:
    """How often each row counts to `METRICS`."""
    statistics = _statistics(probabilities, truth, thresholds)
    return lambda weights: _measure(statistics, weights)[: len(METRICS)]


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
    drawn = [
        Measured(value=value, low=low, high=high, n=n)
        for value, low, high, n in zip(*(part.tolist() for part in found), _rows_of(statistics), strict=True)
    ]
    figures = all_widened(drawn, but=(METRICS.index("loss"),), confidence=confidence)
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
    return _Statistics(
        true=truth.astype(np.float64),
        given=given.astype(np.float64),
        right=(given & truth).astype(np.float64),
        exact=(given == truth).all(axis=1).astype(np.float64),
        loss=cross_entropy(probabilities, truth),
        ranking=_ranking(probabilities, truth),
    )


def _ranking(probabilities: Floats, truth: Truth) -> _Ranking:
    rows, labels = truth.shape
    order = np.argsort(-probabilities, axis=0, kind="stable").T
    label, place = np.nonzero(np.take_along_axis(truth.T, order, axis=1))
    ordered = np.take_along_axis(probabilities.T, order, axis=1)
    is_last = np.append(ordered[:, 1:] != ordered[:, :-1], np.ones((labels, 1), dtype=np.bool_), axis=1)
    ends = np.flatnonzero(is_last)
    end = ends[np.searchsorted(ends, label * rows + place)]
    return _Ranking(
        rows=order.ravel(),
        label=label,
        row=order[label, place],
        end=end,
        last=np.searchsorted(end, end, side="right") - 1,
        first=np.searchsorted(label, np.arange(labels)),
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
        _mean(_precisions(statistics.ranking, weights)),
        weights @ statistics.loss / weights.sum(),
    )
    return np.concatenate([metrics, _share(right, given), _share(right, true), f1])


def _precisions(ranking: _Ranking, weights: Floats) -> Floats:
    """The average precision of each label; not a number where no row has it."""
    labels = len(ranking.first)
    counts = weights.astype(np.int64)
    all_labels = int(counts.sum()) * labels
    small = counts.astype(np.int32) if all_labels < np.iinfo(np.int32).max else counts
    seen = np.cumsum(small[ranking.rows], dtype=small.dtype)[ranking.end] - ranking.label * counts.sum()
    hits = counts[ranking.row]
    before = np.concatenate([[0], np.cumsum(hits)])
    right = before[ranking.last + 1] - before[ranking.first[ranking.label]]
    gained = np.bincount(ranking.label, hits * (right / np.maximum(seen, 1)), minlength=labels).astype(np.float64)
    return _share(gained, np.bincount(ranking.label, hits, minlength=labels).astype(np.float64))


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
