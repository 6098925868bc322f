"""The probes of a run that writes: how far it learned its rows by heart, and what it forgot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affina.evaluation import perplexity
from affina.pipeline.compared_rows import compared_rows, mean_tokens
from affina.pipeline.forgetting import forgetting_of
from affina.pipeline.prepared import Prepared
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.overfitting import OfTexts
from affina.risks.probe import Probe

if TYPE_CHECKING:
    from affina.pipeline.writing.subject import Writing


def probes_of(subject: Writing, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    return [_overfitting(subject, run, allowance), *forgetting_of(subject.model, run, allowance, journal)]


def _overfitting(subject: Writing, run: Prepared, allowance: Allowance) -> Probe | Probed:
    places = compared_rows(run, allowance, each=2 * mean_tokens(run))
    if isinstance(places, Probed):
        return places

    def losses(split: str) -> perplexity.Statistics:
        passages = [subject.passages[split][place] for place in places[split]]
        sizes = [0] * len(passages)
        return perplexity.statistics(
            subject.model, subject.reading, passages, sizes=sizes, budget=run.evaluation_budget
        )

    return OfTexts(losses, trained=len(subject.rows["train"]), sampling=run.sampling)
