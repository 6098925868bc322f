"""An earlier task's labelled rows, answered before and after a training: what of that task was forgotten.

A model that writes is asked for the label of each row in words, by how likely it holds each name, as a run with
`task.form=words` is. An encoder's head was made for other labels, or is none, so that its mean last states are asked: a
logistic regression is fitted on nine tenths of the rows and answers the other tenth, for each tenth in turn, and of
several strengths the one with the least loss on what it did not see is taken; for both models alike. What decides is
the share of rows that were answered right and no longer are. This module runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation.baselines import STRENGTHS, Floats, cross_entropy, fit_probe
from affina.record.risks import Risk
from affina.risks.earlier_file import Earlier
from affina.risks.preferring import fewer_right
from affina.risks.probe import Found

FOLDS: Final = 10
LOST: Final = "earlier_lost"
IN_WORDS: Final = "asked for its label in words, of which the likeliest counts"
BY_PROBE: Final = (
    f"answered by a linear probe on the model's mean states, fitted on the other rows ({FOLDS} parts in turn): what of"
    " the task can still be read off them"
)

Look = Callable[[], Floats]
"""The probabilities of each row's labels by the model as it is, [rows, labels]."""


@final
class Answered:
    """Labelled rows answered before and after: a `Probe`.

    Args:
        earlier: the rows.
        look: answers them.
        how: how, for the reader.
        confidence: the level of the interval.
    """

    risk: Risk = "forgetting"
    needs_base = True

    def __init__(self, earlier: Earlier, look: Look, *, how: Sequence[str], confidence: float) -> None:
        self.name = earlier.name
        self._earlier, self._look, self._how, self._confidence = earlier, look, how, confidence
        self._base: Floats = np.empty((0, 0))

    def before(self) -> None:
        """Answer them."""
        self._base = self._look()

    def after(self) -> Found:
        """Answer them again."""
        tuned, targets = self._look(), np.asarray(self._earlier.targets)
        before, after = (right(found, targets) for found in (self._base, tuned))
        still = np.array_equal(self._base, tuned)
        found = fewer_right(LOST, before, after, still=still, confidence=self._confidence)
        notes = (
            f"{len(targets):,} rows of the file, {self._earlier.told}, with {len(self._earlier.labels):,} labels",
            *self._how,
            f"its most frequent label alone would be right in {np.bincount(targets).max() / len(targets):.1%}",
        )
        return replace(found, notes=(*notes, *found.notes))


def right(found: Floats, targets: NDArray[np.int64]) -> list[bool]:
    """For each row whether its own label is the likeliest; the first of several that are."""
    return [bool(hit) for hit in found.argmax(axis=1) == targets]


def cross_fitted(features: Floats, targets: Sequence[int], *, labels: int) -> Floats:
    """The probabilities of each row's labels by linear probes that did not see the row, [rows, labels].

    Args:
        features: [rows, width].
        targets: the place of each row's label.
        labels: how many there are.
    """
    narrow, known = features.astype(np.float32), np.asarray(targets)
    parts = parts_of(known)
    every = [_by_parts(narrow, known, parts, labels=labels, strength=strength) for strength in STRENGTHS]
    losses = [cross_entropy(found, known) for found in every]
    return every[int(np.argmin(losses))]


def parts_of(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The part of each row: the rows of a label go to the parts in turn, so that each part has its share of it."""
    found = np.empty(len(targets), dtype=np.int64)
    found[np.argsort(targets, kind="stable")] = np.arange(len(targets)) % min(FOLDS, len(targets))
    return found


def _by_parts(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    parts: NDArray[np.int64],
    *,
    labels: int,
    strength: float,
) -> Floats:
    found = np.zeros((len(targets), labels))
    for part in np.unique(parts).tolist():
        unseen = parts == part
        probe = fit_probe(features[~unseen], targets[~unseen].tolist(), classes=labels, strength=strength)
        found[unseen] = probe.predict(features[unseen])
    return found
