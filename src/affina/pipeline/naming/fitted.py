"""The probes of a run that classifies in words: of overfitting, forgetting and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affina.pipeline.compared_rows import SPLITS, compared_rows
from affina.pipeline.forgetting import forgetting_of
from affina.pipeline.naming.namer import cost_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.treating import Asked, bias_of, judged_split
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.overfitting import OfAnswers
from affina.risks.probe import Probe
from affina.risks.swaps import Views

if TYPE_CHECKING:
    from affina.pipeline.naming.subject import ByName


def probes_of(subject: ByName, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    found = [_overfitting(subject, run, allowance), *forgetting_of(subject.model, run, allowance, journal)]
    read = 4 * cost_of(subject.model, subject.namer.asking, subject.rows[judged_split(run)])
    return [*found, *bias_of(run, allowance, Asked(read, read, lambda _: Views(subject.namer.outputs)))]


def _overfitting(subject: ByName, run: Prepared, allowance: Allowance) -> Probe | Probed:
    asking = subject.namer.asking
    each = {split: cost_of(subject.model, asking, subject.rows[split]) for split in SPLITS}
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
