"""What is measured of a run that answers, before and after its training: baselines, scores, predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Targets, Thresholds
from affina.evaluation.predictions import Around, logits_of, nothing
from affina.evaluation.probing import Prober
from affina.models.classifier import Classifier
from affina.models.settings import thresholds_of
from affina.pipeline.answering.scoring import write_scores
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Rated, of_metric
from affina.record.journal import Journal
from affina.record.payloads import Chosen
from affina.tasks.base import Example

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering

PROBE: Final = "linear probe on the untouched model's mean states"
"""What `rated_probe` rates."""


def measure_baselines(subject: Answering, run: Prepared, journal: Journal) -> None:
    """Score the guess that reads no text, which costs nothing, and where asked for a probe on the untouched model."""
    judge, train, judged = subject.judge, subject.examples["train"], subject.examples[run.report_split]
    known = judge.targets(train)
    guess, thresholds = judge.guess(known, rows=len(judged)), judge.guess_thresholds(known)
    write_scores(subject, run, guess, thresholds, who=judge.guess_name, journal=journal)
    if not run.recipe.evaluate.baselines:
        return
    prober = prober_of(subject, run)
    probe, thresholds = prober.baseline(train, subject.examples["validation"])
    found = probe.predict(prober.features(judged))
    write_scores(subject, run, found, thresholds, who=judge.probe_name, journal=journal)


def prober_of(subject: Answering, run: Prepared) -> Prober:
    """The model as it is, ready to give features."""
    run.attached.eval()
    return Prober(
        module=subject.model.module,
        anatomy=subject.model.anatomy,
        task=subject.task,
        judge=subject.judge,
        budget=run.evaluation_budget,
        device=run.device,
    )


def predict(
    subject: Answering,
    run: Prepared,
    examples: Sequence[Example],
    *,
    where: Callable[[int], str] | None = None,
    around: Around = nothing,
) -> Floats:
    """The outputs [rows, outputs] of the model as it is, in float32 whatever the training's precision.

    Args:
        subject: the model and the task.
        run: where it is, and how large a batch may be.
        examples: what to look at.
        where: names the row at a place in `examples`, for the error.
        around: see `logits_of`.

    Raises:
        NonFiniteError: the model gives an example infinity, or what is not a number.
    """
    logits = logits_of(
        subject.model,
        examples,
        task=subject.task,
        budget=run.evaluation_budget,
        device=run.device,
        where=where,
        around=around,
    )
    return subject.judge.read(logits)


def decide(subject: Answering, run: Prepared) -> Thresholds | None:
    """The thresholds of the model as it is, chosen on all validation rows; None, and no look at them, without any."""
    if not subject.judge.has_thresholds:
        return None
    validation = subject.examples["validation"]
    return subject.judge.decide(predict(subject, run, validation), subject.judge.targets(validation))


def rated(subject: Answering, run: Prepared, examples: Sequence[Example]) -> Rated:
    """What the model is worth as it is, on some examples; its thresholds were decided."""
    outputs, thresholds = predict(subject, run, examples), exported_thresholds(subject.model)
    return _rated(subject, run, outputs, thresholds, targets=subject.judge.targets(examples))


def rated_probe(subject: Answering, run: Prepared, examples: Sequence[Example]) -> Rated:
    """The same of the baseline probe on the model as it is; all validation rows choose its strength, as they do for it.

    Where its rows are among them, it is flattered a little, and a gain over it is the surer.
    """
    prober = prober_of(subject, run)
    probe, thresholds = prober.baseline(subject.examples["train"], subject.examples["validation"])
    outputs = probe.predict(prober.features(examples))
    return _rated(subject, run, outputs, thresholds, targets=subject.judge.targets(examples))


def _rated(
    subject: Answering, run: Prepared, outputs: Floats, thresholds: Thresholds | None, *, targets: Targets
) -> Rated:
    judge = subject.judge
    measure, asked = judge.measure(outputs, targets, thresholds), run.hyper.metric.value
    metric = asked if asked in judge.metrics else judge.watched(weighted=subject.weighted).value
    return Rated(metric, len(targets), of_metric(measure, judge.metrics.index(metric)))


def said_of(thresholds: Thresholds, labels: Sequence[str]) -> Chosen:
    """Thresholds as the record has them."""
    pairs = zip(labels, thresholds.values, strict=True)
    said = ", ".join(f"{label} {value:.2f}" for label, value in pairs)
    return Chosen(key="task.thresholds (found)", value=said, reason=thresholds.how)


def exported_thresholds(model: Classifier) -> Thresholds | None:
    """What the exported model's configuration says."""
    found = thresholds_of(model.module.config)
    if found is None or model.head.problem != "multi_label_classification":
        return None
    return Thresholds(tuple(found[label] for label in model.head.labels), "of the exported model")
