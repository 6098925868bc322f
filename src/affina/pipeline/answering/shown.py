"""What a report shows of single rows: random ones, the surest mistakes, and each row's result without its text.

Texts are cut at `LONGEST`, personal data in them is masked as in the audit, and only `SAMPLES` and `WORST` rows are
shown: a record is passed on more easily than the data behind it. How wrong a row is, and how its answer is written, say
the task's judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.personal import masked
from affina.data.rows import Row, text_key
from affina.evaluation.judging.base import Answer, Judge, Targets, Thresholds
from affina.pipeline.prepared import Prepared
from affina.record.payloads import Sample
from affina.record.row_results import MOST_NUMBERS, RowResults

SAMPLES: Final = 8
WORST: Final = 20
LONGEST: Final = 300
"""Characters of a text that are recorded."""
MOST_ROWS: Final = 200_000
"""Rows whose results are recorded one by one; of more, the record would grow by megabytes."""
MOST_LABELS: Final = 10
"""Labels of one row whose probabilities are recorded."""
DIGITS: Final = 6
"""Significant digits of a row's part in a metric."""

Floats = NDArray[np.float64]


class Answered(Protocol):
    """Rows with their right answers, and what answers are worth: what a subject has whose answers a judge judges."""

    @property
    def judge(self) -> Judge:
        """What answers are worth."""
        ...

    @property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Split to the rows that are used."""
        ...

    def targets(self, split: str) -> Targets:
        """The right answers of a split's rows."""
        ...


def samples(subject: Answered, run: Prepared, found: Floats, thresholds: Thresholds | None) -> tuple[Sample, ...]:
    """Rows of the report's split drawn at random, by the recipe's seed.

    Args:
        subject: rows and judge.
        run: which rows the report is about, and the seed.
        found: the model's outputs [rows, outputs].
        thresholds: of the same model.
    """
    order = np.random.default_rng(run.recipe.seed).permutation(len(found))[:SAMPLES]
    return _shown(subject, run, found, thresholds, order.tolist())


def worst(subject: Answered, run: Prepared, found: Floats, thresholds: Thresholds | None) -> tuple[Sample, ...]:
    """The rows that the model was most wrong about, of those as wrong the ones that it was surest of."""
    judge = subject.judge
    wrongness, sure = judge.wrongness(found, subject.targets(run.report_split), thresholds), judge.sureness(found)
    order = np.lexsort((-sure, -wrongness))[:WORST]
    return _shown(subject, run, found, thresholds, [place for place in order.tolist() if wrongness[place]])


def row_results(
    subject: Answered, run: Prepared, found: Floats, thresholds: Thresholds | None, *, who: str
) -> RowResults | None:
    """Each row's result, so that predictors can be compared row by row; None for more than `MOST_ROWS`.

    Args:
        subject: rows and judge.
        run: which rows the report is about, and the seed.
        found: the predictor's outputs [rows, outputs].
        thresholds: of the same predictor.
        who: whose they are.
    """
    if len(found) > MOST_ROWS:
        return None
    rows = subject.judge.by_row(found, subject.targets(run.report_split), thresholds)
    return RowResults(
        who=who,
        split=run.report_split,
        rows=_keys(subject.rows[run.report_split]),
        expected=() if rows.expected is None else tuple(rows.expected.tolist()),
        predicted=() if rows.predicted is None else tuple(rows.predicted.tolist()),
        values={name: _rounded(values) for name, values in rows.values.items()},
        parts={name: tuple(map(_rounded, parts)) for name, parts in rows.parts.items()},
        numbers=() if rows.numbers is None or who != "tuned" else _drawn(rows.numbers, seed=run.recipe.seed),
    )


def _drawn(numbers: Floats, *, seed: int) -> tuple[tuple[float, float], ...]:
    """Rows to draw on the page, in as many digits as numbers far from 0 need."""
    order = np.random.default_rng(seed).permutation(len(numbers))[:MOST_NUMBERS]
    return tuple((float(f"{true:.12g}"), float(f"{said:.12g}")) for true, said in numbers[order].tolist())


def _rounded(values: Floats) -> tuple[float, ...]:
    """To `DIGITS` significant digits: errors may be of any size."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values.tolist())


def _keys(rows: Sequence[Row]) -> tuple[str, ...]:
    """Eight hexadecimal digits for each row, of the SHA-256 of its text and its label."""
    whole = ("\0".join((*text_key(row), row.fields["label"])) for row in rows)
    return tuple(hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8] for text in whole)


def _shown(
    subject: Answered, run: Prepared, found: Floats, thresholds: Thresholds | None, places: Sequence[int]
) -> tuple[Sample, ...]:
    targets, judge = subject.targets(run.report_split), subject.judge
    return tuple(
        _sample(
            subject.rows[run.report_split][place],
            judge.expected(targets[place]),
            judge.answer(found[place], thresholds),
        )
        for place in places
    )


def _sample(row: Row, expected: Answer, answer: Answer) -> Sample:
    text = masked(" / ".join(row.texts))
    numbers = answer.value is not None and expected.value is not None
    return Sample(
        text=text[:LONGEST],
        hidden=max(0, len(text) - LONGEST),
        where=row.where,
        expected=expected.shown,
        predicted=answer.shown,
        probability=answer.probability,
        probabilities=_of_labels(expected, answer),
        error=(answer.value or 0.0) - (expected.value or 0.0) if numbers else None,
    )


def _of_labels(expected: Answer, answer: Answer) -> dict[str, float]:
    """The probabilities of the labels that were given or are right, where there may be several; the highest first."""
    if answer.labels is None or answer.probabilities is None:
        return {}
    named = sorted({*answer.labels, *(expected.labels or ())}, key=lambda label: -(answer.probabilities or {})[label])
    return {label: float(f"{answer.probabilities[label]:.{DIGITS}g}") for label in named[:MOST_LABELS]}
