"""Probable label errors, by confident learning (Northcutt, Jiang & Chuang 2021, "Confident Learning", section 3).

Each row is judged by a logistic regression on the frozen model's mean features that was fitted without it. A row is
confidently of a class where that class has at least its mean probability over the rows with this label; rows that are
confidently of another class than their label say how many errors there are, and the rows whose own label is the least
probable say which (the same count with the first rows found fewer, docs/log.md). This module does not run the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.personal import masked_excerpt
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES, excerpt
from affina.data.units import units_of
from affina.evaluation.baselines import STRENGTHS, Floats, cross_entropy, fit_probe
from affina.record.audited import Check, Suspect
from affina.record.payloads import Finding

FOLDS: Final = 5
SURE: Final = 0.9
MOST_LISTED: Final = 200
"""Rows that the record names."""
MOST_ROWS: Final = 50_000
"""Rows that are judged; of more, a sample."""

Places = NDArray[np.int64]


def find_label_errors(
    features: NDArray[np.float32], rows: Sequence[Row], labels: Sequence[str], *, of: int, seed: int
) -> tuple[tuple[Finding, ...], Check, tuple[Suspect, ...]]:
    """The rows whose labels are probably wrong: a finding, what was done, and the surest of the rows.

    Args:
        features: [rows, width], of the frozen model.
        rows: those that are judged.
        labels: the classes, in order.
        of: how many rows there are.
        seed: decides the folds.
    """
    places = {label: place for place, label in enumerate(labels)}
    targets = [places[row.fields["label"]] for row in rows]
    folds = fold_of(units_of(rows, seed=seed), targets)
    probabilities = out_of_fold(features, targets, folds, classes=len(labels))
    right = float((probabilities.argmax(axis=1) == np.asarray(targets)).mean())
    how = (
        f"confident learning with a logistic regression over the frozen model's mean features, which gives {right:.1%}"
        f" of the rows their own label in {FOLDS}-fold cross-validation"
    )
    check = Check(name="label errors", rows=len(rows), of=of, how=how)
    wrong, likely = suspects(probabilities, targets)
    if not len(wrong):
        return (), check, ()
    sure = probabilities[wrong, likely]
    meaning = (
        f"train rows that look like another class than their label, {int((sure >= SURE).sum()):,} of them with a"
        f" probability of {SURE:.0%} or more; some are errors or ambiguous, others only hard: the model gives"
        f" {right:.0%} of all rows their own label"
    )
    finding = Finding(
        name="probable_label_errors",
        count=len(wrong),
        meaning=meaning,
        advice=f"look through them, the surest first (--json lists {MOST_LISTED}), and correct what is wrong",
        examples=tuple(
            _example(rows[row], labels[other], probability)
            for row, other, probability in zip(
                *(part[:MOST_EXAMPLES].tolist() for part in (wrong, likely, sure)), strict=True
            )
        ),
    )
    listed = tuple(
        Suspect(where=rows[row].where, label=rows[row].fields["label"], likely=labels[other], probability=probability)
        for row, other, probability in zip(
            *(part[:MOST_LISTED].tolist() for part in (wrong, likely, sure)), strict=True
        )
    )
    return (finding,), check, listed


def _example(row: Row, likely: str, probability: float) -> str:
    labels = f"labelled {excerpt(row.fields['label'])}, looks like {excerpt(likely)} ({probability:.0%})"
    return f"{row.where}: {labels}: {masked_excerpt(row.fields['text'])}"


def out_of_fold(
    features: NDArray[np.float32], targets: Sequence[int], folds: NDArray[np.int64], *, classes: int
) -> Floats:
    """Probabilities [rows, classes] of each row from a probe that was fitted on the other folds.

    The strength of the probe is that with the least cross-entropy on the first fold.

    Args:
        features: [rows, width].
        targets: [rows], the labels as given.
        folds: [rows], from 0; rows with the same text belong in the same fold.
        classes: how many there are.
    """
    wanted = np.asarray(targets)
    found = np.zeros((len(wanted), classes))
    chosen = 0.0
    for fold in range(int(folds.max()) + 1):
        inside, outside = folds == fold, folds != fold
        if not outside.any():
            break
        strengths = (chosen,) if chosen else STRENGTHS
        best = np.inf
        for strength in strengths:
            probe = fit_probe(features[outside], wanted[outside].tolist(), classes=classes, strength=strength)
            guess = probe.predict(features[inside])
            loss = cross_entropy(np.maximum(guess, 1e-6), wanted[inside].tolist())
            if loss < best:
                best, chosen, found[inside] = loss, strength, guess
    return found


def fold_of(units: Sequence[Sequence[int]], targets: Sequence[int]) -> NDArray[np.int64]:
    """The fold of each row: units stay whole, and each class is dealt out evenly.

    Args:
        units: places of rows that belong together, in a random order.
        targets: [rows].
    """
    folds = np.empty(len(targets), dtype=np.int64)
    for place, unit in enumerate(sorted(units, key=lambda unit: targets[unit[0]])):
        folds[list(unit)] = place % FOLDS
    return folds


def suspects(probabilities: Floats, targets: Sequence[int]) -> tuple[Places, Places]:
    """The rows whose labels are probably wrong, the surest first, and the class that each looks like.

    Args:
        probabilities: [rows, classes], out of fold.
        targets: [rows], the labels as given.
    """
    given = np.asarray(targets)
    rows, classes = np.arange(len(given)), probabilities.shape[1]
    own = probabilities[rows, given]
    counts = np.bincount(given, minlength=classes)
    thresholds = np.bincount(given, weights=own, minlength=classes) / np.maximum(counts, 1)
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    likely = confident.argmax(axis=1)
    errors = int(((confident[rows, likely] > 0) & (likely != given)).sum())
    lowest = np.argsort(own, kind="stable")[:errors]
    best = probabilities.argmax(axis=1)
    wrong = lowest[best[lowest] != given[lowest]]
    return wrong, best[wrong]
