"""Which probe is taken, and how much of what it learnt holds for rows that it did not see."""

from __future__ import annotations

from typing import Final

import numpy as np

from affina.evaluation.baselines import LinearProbe
from affina.evaluation.judging.base import Features, Judge, Targets

LEAST_LEARNT: Final = 1e-6
"""Of the loss that a probe must gain on its own rows to have learnt anything; less is rounding."""
Seen = tuple[Features, Targets]
"""Features [rows, width], and the targets of the same rows."""


def choose_probe(judge: Judge, train: Seen, validation: Seen) -> LinearProbe:
    """The probe among the judge's strengths with the least loss on the validation rows.

    Args:
        judge: of the task.
        train: to fit on.
        validation: to choose with.
    """
    probes = [judge.fit(*train, strength=strength) for strength in judge.strengths]
    features, targets = validation
    losses = [judge.loss(probe.predict(features), targets) for probe in probes]
    return probes[int(np.argmin(losses))]


def carried_over(judge: Judge, probe: LinearProbe, train: Seen, validation: Seen) -> float:
    """How much of what a probe learnt holds for rows that it did not see, from 0, nothing, to 1, all of it.

    The fall of the loss below that of the guess from the training rows, on the validation rows, over the same on the
    training rows: knowing how frequent each class is takes no features. Validation rows of a class that the training
    rows lack say nothing of what was learnt, and are left out.

    Args:
        judge: of the task.
        probe: fitted on `train`.
        train: its rows.
        validation: other rows.
    """
    features, targets = validation
    told = judge.told(probe, targets)
    if not told.any():
        return 0.0
    learnt = _fall(judge, probe, train, prior=train[1])
    held = _fall(judge, probe, (features[told], targets[told]), prior=train[1])
    return min(1.0, max(0.0, held) / learnt) if learnt > LEAST_LEARNT else 0.0


def _fall(judge: Judge, probe: LinearProbe, seen: Seen, *, prior: Targets) -> float:
    """How far the probe's loss is below that of the guess from `prior`."""
    features, targets = seen
    return judge.loss(judge.guess(prior, rows=len(targets)), targets) - judge.loss(probe.predict(features), targets)
