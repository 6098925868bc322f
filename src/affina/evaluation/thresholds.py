"""From which probability on a label is given: chosen for F1 on validation rows, with few rows trusted little.

One threshold for all labels is a single number that hundreds of rows tell well, and what is taken where the recipe does
not say: it was at least as good as any other in docs/log.md. Where a threshold for each label is asked for, it follows
the label's own optimum only as far as it has positive rows: in log-odds, it lies between the shared one and its own,
with the weight n / (n + `POSITIVES`) on its own (shrinkage, as of a mean with few observations).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.intervals import Floats

POSITIVES: Final = 50
"""Positive validation rows at which a label's own optimum and the shared one count the same."""
_EDGE: Final = 1e-6
"""Probabilities are kept this far from 0 and 1 in log-odds."""
Policy = Literal["shared", "per_label"]


def best_threshold(probabilities: Floats, truth: NDArray[np.bool_]) -> float:
    """The threshold with the highest F1, half-way to the next lower probability; 1 where nothing is true.

    Args:
        probabilities: [n].
        truth: [n].
    """
    if not truth.any():
        return 1.0
    order = np.argsort(-probabilities, kind="stable")
    found, right = probabilities[order], np.cumsum(truth[order])
    last = np.append(found[1:] != found[:-1], True)  # equal probabilities are given together, or not at all
    f1 = 2 * right / (np.arange(1, len(found) + 1) + truth.sum())
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = found[best + 1] if best + 1 < len(found) else 0.0
    return float((found[best] + below) / 2)


def choose_thresholds(probabilities: Floats, truth: NDArray[np.bool_], *, policy: Policy) -> Floats:
    """One threshold for each label.

    Args:
        probabilities: [rows, labels], of the validation rows.
        truth: [rows, labels].
        policy: the same threshold for all labels, or one for each.
    """
    shared = best_threshold(probabilities.ravel(), truth.ravel())
    if policy == "shared":
        return np.full(probabilities.shape[1], shared)
    positives = truth.sum(axis=0)
    own = np.array([best_threshold(found, true) for found, true in zip(probabilities.T, truth.T, strict=True)])
    trust = positives / (positives + POSITIVES)
    return np.asarray(1 / (1 + np.exp(-(trust * _log_odds(own) + (1 - trust) * _log_odds(np.array(shared))))))


def _log_odds(probability: Floats) -> Floats:
    kept = probability.clip(_EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept / (1 - kept)))
