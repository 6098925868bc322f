"""What a predictor reached, written into the record: all metrics with intervals, and each row's result."""

from __future__ import annotations

from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Thresholds
from affina.pipeline.answering.shown import Answered, row_results
from affina.pipeline.prepared import Prepared
from affina.record.journal import Journal
from affina.record.payloads import Scores


def write_scores(
    subject: Answered, run: Prepared, found: Floats, thresholds: Thresholds | None, *, who: str, journal: Journal
) -> Scores:
    """Record what a predictor reached, in all and row by row, and return the former."""
    split = run.report_split
    scores = subject.judge.score(
        found,
        subject.targets(split),
        thresholds,
        who=who,
        split=split,
        sampling=run.sampling,
    )
    journal.append(scores)
    if (rows := row_results(subject, run, found, thresholds, who=who)) is not None:
        journal.append(rows)
    return scores
