"""What a tuned classifier must beat: the majority class, and a linear probe on the untouched model's features.

The probe is a logistic regression (L2, scikit-learn's lbfgs) on the mean of the frozen base model's last hidden
states over the real tokens. It says how much of the result the base model brought along. The same regression starts
the head.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

STRENGTHS: Final = (0.001, 0.01, 0.1, 1.0)
"""Inverse L2 strengths of the baseline probe; the validation rows choose."""
START_STRENGTH: Final = 0.02
"""Of the probe that starts a head: weak, since a confident start leaves the training rows nothing to teach."""
ITERATIONS: Final = 200
MOST_ROWS: Final = 4_000
"""Training rows that a probe is fitted on, at most; more gain it little and cost a pass over the model."""
LEAST_LEARNT: Final = 1e-6
"""Nats that a probe must gain on its own rows to have learnt anything; less is rounding."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A fitted probe on features as the model gives them.

    Attributes:
        weight: [seen, width].
        bias: [seen].
        seen: the classes that occurred in its training rows.
        classes: how many classes the task has.
    """

    weight: Floats
    bias: Floats
    seen: tuple[int, ...]
    classes: int

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities [rows, classes]; a class that the probe never saw has probability 0."""
        logits = features @ self.weight.T + self.bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        found = np.zeros((len(features), self.classes))
        found[:, list(self.seen)] = exponentials / exponentials.sum(axis=1, keepdims=True)
        return found


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
    scale = float(np.sqrt(np.mean(np.square(features, dtype=np.float64)))) or 1.0
    model = LogisticRegression(C=strength, max_iter=iterations, fit_intercept=intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe that is nearly converged is a fair baseline
        model.fit(features.astype(np.float64) / scale, np.asarray(targets))
    weight, bias = model.coef_ / scale, np.broadcast_to(model.intercept_, len(model.coef_)).copy()
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes: the difference of their logits
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearProbe(weight, np.asarray(bias), tuple(int(label) for label in model.classes_), classes)


def choose_probe(
    train: tuple[NDArray[np.float32], Sequence[int]],
    validation: tuple[NDArray[np.float32], Sequence[int]],
    *,
    classes: int,
) -> LinearProbe:
    """The probe among `STRENGTHS` with the least cross-entropy on the validation rows.

    Args:
        train: features [rows, width] and targets to fit on.
        validation: features and targets to choose with.
        classes: how many classes the task has.
    """
    probes = [fit_probe(*train, classes=classes, strength=strength) for strength in STRENGTHS]
    features, targets = validation
    losses = [cross_entropy(probe.predict(features), targets) for probe in probes]
    return probes[int(np.argmin(losses))]


def carried_over(
    probe: LinearProbe,
    train: tuple[NDArray[np.float32], Sequence[int]],
    validation: tuple[NDArray[np.float32], Sequence[int]],
) -> float:
    """How much of what a probe learnt holds for rows that it did not see, from 0, nothing, to 1, all of it.

    The fall of the cross-entropy below that of the training rows' shares, on the validation rows, over the same on the
    training rows: knowing how frequent each class is takes no features. Validation rows of a class that the training
    rows lack say nothing of what was learnt, and are left out.

    Args:
        probe: fitted on `train`.
        train: features [rows, width] and targets.
        validation: features and targets.
    """
    targets = np.asarray(validation[1])
    known = np.isin(targets, probe.seen)
    if not known.any():
        return 0.0
    learnt = _fall(probe, *train, prior=train[1])
    held = _fall(probe, validation[0][known], targets[known].tolist(), prior=train[1])
    return min(1.0, max(0.0, held) / learnt) if learnt > LEAST_LEARNT else 0.0


def _fall(probe: LinearProbe, features: NDArray[np.float32], targets: Sequence[int], *, prior: Sequence[int]) -> float:
    """How far the probe's cross-entropy is below that of the shares of the classes among `prior`, in nats."""
    guess = majority(prior, classes=probe.classes, rows=len(targets))
    return cross_entropy(guess, targets) - cross_entropy(probe.predict(features), targets)


def cross_entropy(found: Floats, targets: Sequence[int]) -> float:
    """The mean of -log p(target) over rows, in nats, from probabilities [rows, classes]."""
    right = found[np.arange(len(targets)), np.asarray(targets)]
    return float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())


def majority(targets: Sequence[int], *, classes: int, rows: int) -> Floats:
    """The predictor that always answers the most frequent class, with the training shares as probabilities.

    Returns:
        [rows, classes].
    """
    shares = np.bincount(np.asarray(targets), minlength=classes) / len(targets)
    return np.tile(shares, (rows, 1))
