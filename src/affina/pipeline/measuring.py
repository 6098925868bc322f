"""What is measured of a run before and after its training: the baselines, the scores, some predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Sampling, Thresholds
from affina.evaluation.predictions import logits_of
from affina.evaluation.probing import Prober
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
    """Score the guess that reads no text, and a linear probe on the untouched model."""
    judge, train, judged = prepared.judge, prepared.examples["train"], prepared.examples[prepared.report_split]
    known = judge.targets(train)
    guess, thresholds = judge.guess(known, rows=len(judged)), judge.guess_thresholds(known)
    write_scores(prepared, guess, thresholds, who=judge.guess_name, journal=journal)
    prober = prober_of(prepared)
    probe, thresholds = prober.baseline(train, prepared.examples["validation"])
    write_scores(prepared, probe.predict(prober.features(judged)), thresholds, who=judge.probe_name, journal=journal)


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
        judge=prepared.judge,
        budget=_budget(prepared),
        device=prepared.device,
    )


def predict(prepared: Prepared, examples: Sequence[Example], *, where: Callable[[int], str] | None = None) -> Floats:
    """The outputs [rows, outputs] of the model as it is, in float32 whatever the training's precision.

    Args:
        prepared: the model and the task.
        examples: what to look at.
        where: names the row at a place in `examples`, for the error.

    Raises:
        NonFiniteError: the model gives an example infinity, or what is not a number.
    """
    logits = logits_of(
        prepared.classifier,
        examples,
        task=prepared.task,
        budget=_budget(prepared),
        device=prepared.device,
        where=where,
    )
    return prepared.judge.read(logits)


def decide(prepared: Prepared) -> Thresholds | None:
    """The thresholds of the model as it is, chosen on all validation rows; None, and no look at them, without any."""
    if not prepared.judge.has_thresholds:
        return None
    validation = prepared.examples["validation"]
    return prepared.judge.decide(predict(prepared, validation), prepared.judge.targets(validation))


def write_scores(
    prepared: Prepared, found: Floats, thresholds: Thresholds | None, *, who: str, journal: Journal
) -> Scores:
    """Record what a predictor reached, in all and row by row, and return the former."""
    scores = score(prepared, found, thresholds, who=who)
    journal.append(scores)
    if (rows := row_results(prepared, found, thresholds, who=who)) is not None:
        journal.append(rows)
    return scores


def score(prepared: Prepared, found: Floats, thresholds: Thresholds | None, *, who: str) -> Scores:
    """The metrics of outputs on the rows that the report is about."""
    split, spec = prepared.report_split, prepared.recipe.evaluate
    return prepared.judge.score(
        found,
        prepared.judge.targets(prepared.examples[split]),
        thresholds,
        who=who,
        split=split,
        sampling=Sampling(resamples=spec.resamples, confidence=spec.confidence, seed=prepared.recipe.seed),
    )


def _budget(prepared: Prepared) -> int:
    return EVALUATION_FACTOR * prepared.hyper.batch_tokens.value
