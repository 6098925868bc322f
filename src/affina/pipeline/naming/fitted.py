"""The probes of a run that classifies in words: how far it learned its rows by heart, and what it forgot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affina.pipeline.compared_rows import SPLITS, compared_rows
from affina.pipeline.forgetting import forgetting_of
from affina.pipeline.naming.namer import cost_of
from affina.pipeline.prepared import Prepared
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.overfitting import OfAnswers
from affina.risks.probe import Probe

if TYPE_CHECKING:
    from affina.pipeline.naming.subject import ByName


def probes_of(subject: ByName, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    return [_overfitting(subject, run, allowance), *forgetting_of(subject.model, run, allowance, journal)]


def _overfitting(subject: ByName, run: Prepared, allowance: Allowance) -> Probe | Probed:
    asking = subject.namer.asking
    each = sum(cost_of(subject.model, asking, subject.rows[split]) for split in SPLITS)
    places = compared_rows(run, allowance, each=each)
    if isinstance(places, Probed):
        return places
    rows = {split: [subject.rows[split][place] for place in part] for split, part in places.items()}
    return OfAnswers(
        judge=subject.judge,
        predict=lambda split: subject.namer.outputs(rows[split]),
        targets={split: subject.targets(split)[part] for split, part in places.items()},
        known=subject.targets("train"),
        thresholds=lambda: None,
        metric=run.hyper.metric.value,
        sampling=run.sampling,
    )
