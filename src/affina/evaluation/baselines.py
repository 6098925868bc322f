"""What a tuned model must beat: a guess that reads no text, and a linear probe on the untouched model's features.

For classification these are the majority class and a logistic regression (L2, scikit-learn's lbfgs) on the mean of the
frozen base model's last hidden states over the real tokens; other tasks' probes are in `probes`. A probe says how much
of the result the base model brought along. The same regression starts the head.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

STRENGTHS: Final = (0.001, 0.01, 0.1, 1.0)
"""Inverse L2 strengths of the baseline probe; the validation rows choose."""
START_STRENGTH: Final = 0.02
"""Of the probe that starts a head: weak, since a confident start leaves the training rows nothing to teach."""
ITERATIONS: Final = 200
MOST_ROWS: Final = 4_000
"""Training rows that a probe is fitted on, at most; more gain it little and cost a pass over the model."""

Floats = NDArray[np.float64]


def softmax(logits: NDArray[Any]) -> Floats:
    """Logits to probabilities over the last axis, in float64: [rows, classes] to [rows, classes]."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A fitted probe on features as the model gives them.

    Attributes:
        weight: [seen, width].
        bias: [seen].
        seen: the outputs that it has weights for: of classes those that occurred in its training rows.
        classes: how many outputs the task has.
        read: logits [rows, classes] to what the task makes of them.
    """

    weight: Floats
    bias: Floats
    seen: tuple[int, ...]
    classes: int
    read: Callable[[NDArray[Any]], Floats] = softmax

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """The outputs, of classes probabilities [rows, classes]; one that the probe never saw has probability 0."""
        logits = np.full((len(features), self.classes), -np.inf)
        logits[:, list(self.seen)] = features @ self.weight.T + self.bias
        return self.read(logits)


def mean_features(hidden: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens: hidden [batch, time, width], mask [batch, time] to [batch, width]."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def last_features(hidden: Tensor, mask: Tensor) -> Tensor:
    """The state of the last real token: hidden [batch, time, width], mask [batch, time] to [batch, width]."""
    places = mask.sum(dim=1) - 1
    return hidden[range(len(hidden)), places]


def fit_probe(
    features: NDArray[np.float32],
    targets: Sequence[int],
    *,
    classes: int,
    strength: float,
    intercept: bool = True,
    iterations: int = ITERATIONS,
) -> LinearProbe:
    """Fit the logistic regression, on features scaled to a root mean square of 1; the scale is folded into the weight.

    Args:
        features: [rows, width].
        targets: [rows], class indices; where all are the same one, the probe always answers that.
        classes: how many classes the task has.
        strength: inverse L2 strength.
        intercept: whether there is a bias.
        iterations: of lbfgs, at most.
    """
    if len(set(targets)) == 1:
        return LinearProbe(np.zeros((1, features.shape[1])), np.zeros(1), (targets[0],), classes)
    scale = scale_of(features)
    scaled = features.astype(np.float64) / scale
    model = fit_logistic(scaled, np.asarray(targets), strength=strength, intercept=intercept, iterations=iterations)
    weight, bias = model.coef_ / scale, np.broadcast_to(model.intercept_, len(model.coef_)).copy()
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes: the difference of their logits
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearProbe(weight, np.asarray(bias), tuple(int(label) for label in model.classes_), classes)


def fit_logistic(
    features: Floats, targets: NDArray[Any], *, strength: float, intercept: bool, iterations: int = ITERATIONS
) -> Any:
    """scikit-learn's logistic regression (L2, lbfgs), fitted; see `fit_probe`.

    The library is imported here: with what comes along it takes two seconds and a hundred MiB, and a run whose start is
    kept fits no probe.
    """
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - heavy, and needed for probes alone
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    model = LogisticRegression(C=strength, max_iter=iterations, fit_intercept=intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe that is nearly converged is a fair baseline
        return model.fit(features, targets)


def scale_of(features: NDArray[np.float32]) -> float:
    """The root mean square of all features, or 1 where that is 0."""
    return float(np.sqrt(np.mean(np.square(features, dtype=np.float64)))) or 1.0


def cross_entropy(found: Floats, targets: Sequence[int] | NDArray[np.int64]) -> float:
    """The mean of -log p(target) over rows, in nats, from probabilities [rows, classes]."""
    right = found[np.arange(len(targets)), np.asarray(targets)]
    return float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())


def majority(targets: Sequence[int] | NDArray[np.int64], *, classes: int, rows: int) -> Floats:
    """The predictor that always answers the most frequent class, with the training shares as probabilities.

    Returns:
        [rows, classes].
    """
    shares = np.bincount(np.asarray(targets), minlength=classes) / len(targets)
    return np.tile(shares, (rows, 1))
