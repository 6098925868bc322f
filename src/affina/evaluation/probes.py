"""The probes of tasks whose answers are no single class: one logistic regression a label, and a ridge regression.

Features are scaled to a root mean square of 1, as in `baselines`, and the scale is folded into the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.baselines import Floats, LinearProbe, fit_logistic, scale_of

RIDGE_STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""A closed form is cheap: more of them than a logistic regression tries, and further apart."""
CURVATURE: Final = 4.0
"""How much more a squared error bends than a logistic loss: the same strength then shrinks both about as much."""


def sigmoid(logits: NDArray[Any]) -> Floats:
    """Log-odds to probabilities, in float64, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64))))


def fit_one_vs_rest(
    features: NDArray[np.float32], targets: NDArray[np.bool_], *, strength: float, intercept: bool = True
) -> LinearProbe:
    """Fit a logistic regression (L2, lbfgs) for each label.

    A label that all rows have, or none, gets no weights, and a bias as if one row more were the other way.

    Args:
        features: [rows, width].
        targets: [rows, labels].
        strength: inverse L2 strength.
        intercept: whether there is a bias.
    """
    scale = scale_of(features)
    scaled = features.astype(np.float64) / scale
    weight, bias = np.zeros((targets.shape[1], features.shape[1])), np.zeros(targets.shape[1])
    for label in range(targets.shape[1]):
        positives = int(targets[:, label].sum())
        if positives in (0, len(targets)):
            odds = np.log(len(targets) + 1.0)
            bias[label] = (odds if positives else -odds) * intercept
            continue
        model = fit_logistic(scaled, targets[:, label], strength=strength, intercept=intercept)
        weight[label], bias[label] = model.coef_[0] / scale, float(np.ravel(model.intercept_)[0])
    return LinearProbe(weight, bias, tuple(range(len(bias))), len(bias), sigmoid)


def fit_ridge(
    features: NDArray[np.float32],
    targets: Floats,
    *,
    strength: float,
    intercept: bool = True,
    read: Callable[[NDArray[Any]], Floats],
) -> LinearProbe:
    """Fit a ridge regression (Hoerl & Kennard 1970) in closed form; the bias is not shrunk.

    Args:
        features: [rows, width].
        targets: [rows], in the units of the logit.
        strength: inverse L2 strength as of a logistic regression, whose loss is at most a quarter as curved as half a
            squared error: the penalty on the squares is `CURVATURE` over it.
        intercept: whether there is a bias.
        read: logits to the numbers that the probe predicts.
    """
    scale = scale_of(features)
    scaled = features.astype(np.float64) / scale
    centre = scaled.mean(axis=0) if intercept else np.zeros(scaled.shape[1])
    mean = float(targets.mean()) if intercept else 0.0
    centred = scaled - centre
    gram = centred.T @ centred + np.eye(scaled.shape[1]) * (CURVATURE / strength)
    weight = np.linalg.solve(gram, centred.T @ (targets - mean))
    bias = mean - float(centre @ weight)
    return LinearProbe(np.asarray(weight / scale, dtype=np.float64)[None, :], np.array([bias]), (0,), 1, read)
