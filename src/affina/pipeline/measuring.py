"""What is measured of a run before and after its training: the baselines, the scores, some predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.evaluation import metrics
from affina.evaluation.baselines import majority
from affina.evaluation.predictions import classify
from affina.evaluation.probing import Prober, targets
from affina.pipeline.prepare import Prepared
from affina.pipeline.shown import row_results
from affina.recipe.schema import HeadStart
from affina.record.journal import Journal
from affina.record.payloads import Scores
from affina.tasks.base import Example
from affina.values import Resolved

EVALUATION_FACTOR: Final = 2
"""An evaluation batch may be this many times a training batch: no gradients are kept."""


def measure_baselines(prepared: Prepared, journal: Journal) -> None:
    """Score the majority class and a linear probe on the untouched model."""
    classes = len(prepared.task.labels)
    train, judged = prepared.examples["train"], prepared.examples[prepared.report_split]
    write_scores(prepared, majority(targets(train), classes=classes, rows=len(judged)), who="majority", journal=journal)
    prober = prober_of(prepared)
    probe = prober.baseline(train, prepared.examples["validation"])
    write_scores(prepared, probe.predict(prober.features(judged)), who="linear_probe", journal=journal)


def start_head(prepared: Prepared) -> Resolved[HeadStart] | None:
    """Start a new head; one that the checkpoint brought along stays, and None is returned."""
    if not prepared.classifier.new_parameters:
        return None
    train, validation = prepared.examples["train"], prepared.examples["validation"]
    return prober_of(prepared).start_head(train, validation, asked=prepared.recipe.train.head_start)


def prober_of(prepared: Prepared) -> Prober:
    """The model as it is, ready to give features."""
    prepared.attached.eval()
    return Prober(
        module=prepared.classifier.module,
        anatomy=prepared.classifier.anatomy,
        task=prepared.task,
        classes=len(prepared.task.labels),
        budget=_budget(prepared),
        device=prepared.device,
    )


def predict(
    prepared: Prepared, examples: Sequence[Example], *, where: Callable[[int], str] | None = None
) -> NDArray[np.float64]:
    """Probabilities [rows, classes] of the model as it is, in float32 whatever the training's precision.

    Args:
        prepared: the model and the task.
        examples: what to classify.
        where: names the row at a place in `examples`, for the error.

    Raises:
        NonFiniteError: the model gives an example infinity, or what is not a number.
    """
    return classify(
        prepared.classifier,
        examples,
        task=prepared.task,
        budget=_budget(prepared),
        device=prepared.device,
        where=where,
    )


def write_scores(prepared: Prepared, found: NDArray[np.float64], *, who: str, journal: Journal) -> Scores:
    """Record what a predictor reached, in all and row by row, and return the former."""
    scores = score(prepared, found, who=who)
    journal.append(scores)
    if (rows := row_results(prepared, found, who=who)) is not None:
        journal.append(rows)
    return scores


def score(prepared: Prepared, found: NDArray[np.float64], *, who: str) -> Scores:
    """The metrics of probabilities [rows, classes] on the rows that the report is about."""
    split, spec = prepared.report_split, prepared.recipe.evaluate
    return metrics.score(
        found,
        targets(prepared.examples[split]),
        prepared.task.labels,
        who=who,
        split=split,
        resamples=spec.resamples,
        confidence=spec.confidence,
        seed=prepared.recipe.seed,
    )


def _budget(prepared: Prepared) -> int:
    return EVALUATION_FACTOR * prepared.hyper.batch_tokens.value
