"""The probes of a run that answers by a head: of overfitting, forgetting and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.answering.measuring import exported_thresholds, predict
from affina.pipeline.answering.views import asked_of
from affina.pipeline.compared_rows import compared_rows, mean_tokens
from affina.pipeline.prepared import Prepared
from affina.pipeline.treating import bias_of
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.overfitting import OfAnswers
from affina.risks.probe import Probe
from affina.risks.sentences import sentences
from affina.risks.similarity import NAME, TOKENS, Similarities

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering


def probes_of(subject: Answering, run: Prepared, allowance: Allowance) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    found = [_overfitting(subject, run, allowance), _forgetting(subject, run, allowance)]
    single = KINDS[subject.spec.name].has_single_labels
    return [*found, *(bias_of(run, allowance, asked_of(subject, run)) if single else ())]


def _overfitting(subject: Answering, run: Prepared, allowance: Allowance) -> Probe | Probed:
    places = compared_rows(run, allowance, each=mean_tokens(run))
    if isinstance(places, Probed):
        return places
    examples = {split: [subject.examples[split][place] for place in part] for split, part in places.items()}
    return OfAnswers(
        judge=subject.judge,
        predict=lambda split: predict(subject, run, examples[split]),
        targets={split: subject.judge.targets(part) for split, part in examples.items()},
        known=subject.targets("train"),
        thresholds=lambda: exported_thresholds(subject.model),
        metric=run.hyper.metric.value,
        sampling=run.sampling,
    )


def _forgetting(subject: Answering, run: Prepared, allowance: Allowance) -> Probe | Probed:
    refused = allowance.refused("forgetting", NAME, each=2 * TOKENS, least=len(sentences()))
    if refused is not None:
        return refused
    return Similarities(subject.model, sampling=run.sampling, budget=run.evaluation_budget)
