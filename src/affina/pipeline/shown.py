"""What a report shows of single rows: random ones, the surest mistakes, and each row's result without its text.

Texts are cut at `LONGEST`, and only `SAMPLES` and `WORST` rows are shown: a record is passed on more easily than the
data behind it. What says how wrong a row is belongs to the classification task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.rows import Row, text_key
from affina.evaluation.probing import targets
from affina.pipeline.prepare import Prepared
from affina.record.payloads import Sample
from affina.record.row_results import RowResults
from affina.tasks.base import Example

SAMPLES: Final = 8
WORST: Final = 20
LONGEST: Final = 300
"""Characters of a text that are recorded."""
MOST_ROWS: Final = 200_000
"""Rows whose results are recorded one by one; of more, the record would grow by megabytes."""
DIGITS: Final = 5
"""Decimals of a row's loss."""

Floats = NDArray[np.float64]


def samples(prepared: Prepared, found: Floats) -> tuple[Sample, ...]:
    """Rows of the report's split drawn at random, by the recipe's seed.

    Args:
        prepared: the run.
        found: probabilities [rows, classes].
    """
    order = np.random.default_rng(prepared.recipe.seed).permutation(len(found))[:SAMPLES]
    return tuple(_sample(prepared, found, place) for place in order.tolist())


def worst(prepared: Prepared, found: Floats) -> tuple[Sample, ...]:
    """The rows that the model was wrong about with the highest probability, the surest first."""
    sure = found.max(axis=1)
    wrong = np.flatnonzero(found.argmax(axis=1) != np.asarray(targets(_examples(prepared))))
    order = wrong[np.argsort(-sure[wrong], kind="stable")][:WORST]
    return tuple(_sample(prepared, found, place) for place in order.tolist())


def row_results(prepared: Prepared, found: Floats, *, who: str) -> RowResults | None:
    """Each row's result, so that predictors can be compared row by row; None for more than `MOST_ROWS`.

    Args:
        prepared: the run.
        found: probabilities [rows, classes].
        who: whose they are.
    """
    if len(found) > MOST_ROWS:
        return None
    expected, predicted = np.asarray(targets(_examples(prepared))), found.argmax(axis=1)
    chance = np.maximum(found[np.arange(len(found)), expected], np.finfo(np.float64).tiny)
    return RowResults(
        who=who,
        split=prepared.report_split,
        rows=_keys(prepared.rows[prepared.report_split]),
        expected=tuple(expected.tolist()),
        predicted=tuple(predicted.tolist()),
        values={
            "accuracy": tuple((expected == predicted).astype(float).tolist()),
            "loss": tuple(np.round(-np.log(chance), DIGITS).tolist()),
        },
    )


def _keys(rows: Sequence[Row]) -> tuple[str, ...]:
    """Eight hexadecimal digits for each row, of the SHA-256 of its text and its label."""
    whole = ("\0".join((*text_key(row), row.fields["label"])) for row in rows)
    return tuple(hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8] for text in whole)


def _sample(prepared: Prepared, found: Floats, place: int) -> Sample:
    row = prepared.rows[prepared.report_split][place]
    text = " / ".join(row.texts)
    return Sample(
        text=text[:LONGEST],
        hidden=max(0, len(text) - LONGEST),
        where=row.where,
        expected=row.fields["label"],
        predicted=prepared.task.labels[int(found[place].argmax())],
        probability=float(found[place].max()),
    )


def _examples(prepared: Prepared) -> Sequence[Example]:
    return prepared.examples[prepared.report_split]
