"""The figures of candidates and baselines: means over seeds, with intervals over the rows that all were scored on.

It ranks nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.comparing.reading import TUNED, Result
from affina.comparing.resampled import Sampled, sample
from affina.record.compared import COSTS, Standing
from affina.record.figures import Measured
from affina.record.payloads import Scores
from affina.record.row_results import RowResults
from affina.reporting.degenerate import degenerate_of
from affina.reporting.formats import NOT_A_NUMBER
from affina.reporting.formats import name as named
from affina.reporting.paired import aligned, on_rows_of, shared_rows

Results = Mapping[str, Sequence[Result]]
"""Candidate to its finished runs, one for each seed."""


BASELINE: Final = "baseline: "
OVER_BUDGET: Final = "no model of it is shown to gain within its budgets, and none is shipped"
"""Before a baseline's name, since a candidate may be called the same."""
TIME: Final = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures on the same rows.

    Attributes:
        rows: candidate, or baseline behind `BASELINE`, to its results by row, of one seed each.
        sampled: metric to what was drawn of it; None where results by row do not tell it.
        resamples: draws behind each interval.
        confidence: the level of the intervals.
    """

    rows: Mapping[str, Sequence[RowResults]]
    sampled: Mapping[str, Sampled | None]
    resamples: int
    confidence: float

    def pair(self, entry: str, best: str, metric: str) -> Sampled | None:
        """What was drawn of two, on the rows that both were scored on; a baseline may have been on some rows alone."""
        drawn = self.sampled[metric]
        if drawn is None or not {entry, best} <= drawn.values.keys():
            several = self.part(entry, best)
            drawn = sample(several, metric, resamples=self.resamples, confidence=self.confidence) if several else None
        return drawn if drawn is not None and {entry, best} <= drawn.values.keys() else None

    def part(self, entry: str, best: str) -> Mapping[str, Sequence[RowResults]]:
        """The results of two on the rows of the first; none where the second was not scored on all of these."""
        ours, theirs = self.rows.get(entry), self.rows.get(best)
        if ours is None or theirs is None:
            return {}
        part = [on_rows_of(ours[0], one) for one in theirs]
        return {entry: ours, best: part} if all(aligned(ours[0], one) for one in part) else {}


def metrics_of(run: Result) -> Mapping[str, Measured]:
    """The tuned model's figures of one run."""
    return run.gathered.scores[TUNED].metrics


def draw(results: Results, first: Result, *, resamples: int, confidence: float) -> Figures:
    """Draw rows and seeds for every metric.

    Args:
        results: of all candidates.
        first: the run whose rows are compared.
        resamples: draws.
        confidence: the level of the intervals.
    """
    rows: dict[str, Sequence[RowResults]] = {
        name: [run.gathered.rows[TUNED] for run in runs]
        for name, runs in results.items()
        if all(TUNED in run.gathered.rows for run in runs)
    }
    for name, (run, who) in baselines_of(results).items():
        if who in run.gathered.rows:
            rows[BASELINE + name] = [run.gathered.rows[who]]
    same = _on_rows_of(first, rows)
    keys = dict.fromkeys(key for runs in results.values() for run in runs for key in metrics_of(run))
    return Figures(
        rows=rows,
        sampled={key: sample(same, key, resamples=resamples, confidence=confidence) for key in keys},
        resamples=resamples,
        confidence=confidence,
    )


def _on_rows_of(first: Result, rows: Mapping[str, Sequence[RowResults]]) -> Mapping[str, Sequence[RowResults]]:
    """Those that were scored on the same rows as the first candidate."""
    reference = first.gathered.rows.get(TUNED)
    if reference is None:
        return {}
    return {name: several for name, several in rows.items() if all(aligned(reference, one) for one in several)}


def baselines_of(results: Results) -> dict[str, tuple[Result, str]]:
    """What the runs had to beat, each once: the reader's name to a run that measured it, and who it is there.

    Where candidates have several models, what differs between them is named with its model.
    """
    models = {run.gathered.model.reference for runs in results.values() for run in runs if run.gathered.model}
    found: dict[str, tuple[Result, str]] = {}
    for runs in results.values():
        run = runs[0]
        for who, scores in run.gathered.scores.items():
            if who == TUNED or not scores.metrics:
                continue
            name = named(who)
            if len(models) > 1 and run.gathered.model and name in found and not _same(found[name], scores):
                name = f"{name}, {run.gathered.model.reference}"
            found.setdefault(name, (run, who))
    return found


def _same(known: tuple[Result, str], scores: Scores) -> bool:
    run, who = known
    return run.gathered.scores[who].metrics == scores.metrics


def standing_of(name: str, runs: Sequence[Result], figures: Figures, metric: str, *, first: Result) -> Standing:
    """A candidate's figures and costs.

    Args:
        name: the candidate's.
        runs: its finished ones.
        figures: of all candidates.
        metric: what it is ranked by.
        first: the run whose rows are compared.
    """
    means = {
        key: _figure(name, figures.sampled[key]) or _widest(runs, key)
        for key in metrics_of(runs[0])
        if all(key in metrics_of(run) for run in runs)
    }
    metrics = {key: one for key, one in means.items() if _is_finite(one)}
    why = f"its {named(metric)} is {NOT_A_NUMBER}" if metric in means else f"it has no {named(metric)}"
    return Standing(
        name=name,
        reason="" if metric in metrics else why,
        metrics=metrics,
        seeds=tuple(run.run.seed for run in runs),
        by_seed=tuple(metrics_of(run)[metric].value for run in runs) if metric in metrics else (),
        costs={
            key: _over_seeds(key, [run.costs[key] for run in runs])
            for key in COSTS
            if all(key in run.costs for run in runs)
        },
        parameters=runs[0].gathered.model.parameters if runs[0].gathered.model else 0,
        chosen=runs[0].chosen,
        ships=runs[0].run.ships,
        remark=void(runs) or _over_budget(runs) or _other_rows(runs, first),
    )


def void(runs: Sequence[Result]) -> str:
    """What is said of a candidate whose answers say nothing, with one of its seeds at least; empty for any other."""
    for run in runs:
        wrong = degenerate_of(run.gathered)
        if wrong is not None and wrong.void:
            return f"seed {run.run.seed}: {wrong.told}" if len(runs) > 1 else wrong.told
    return ""


def baseline_standings(results: Results, figures: Figures, metric: str, *, first: Result) -> list[Standing]:
    """The baselines' figures on the rows of the first run's split."""
    found = []
    for name, (run, who) in baselines_of(results).items():
        scores = run.gathered.scores[who]
        if scores.split != first.gathered.scores[TUNED].split:
            continue
        means = {
            key: _figure(BASELINE + name, figures.sampled.get(key)) or figure for key, figure in scores.metrics.items()
        }
        seen = scores.metrics[metric].n if metric in scores.metrics else 0
        remark = f"on {seen:,} of the rows" if 0 < seen < metrics_of(first)[metric].n else ""
        found.append(
            Standing(name=name, metrics={key: one for key, one in means.items() if _is_finite(one)}, remark=remark)
        )
    return found


def _is_finite(figure: Measured) -> bool:
    return all(map(math.isfinite, (figure.value, figure.low, figure.high)))


def _figure(name: str, drawn: Sampled | None) -> Measured | None:
    return drawn.figure(name) if drawn is not None and name in drawn.values else None


def _widest(runs: Sequence[Result], key: str) -> Measured:
    """The mean over seeds, from the lowest to the highest end: where results by row do not tell the metric."""
    several = [metrics_of(run)[key] for run in runs]
    return Measured(
        value=sum(one.value for one in several) / len(several),
        low=min(one.low for one in several),
        high=max(one.high for one in several),
        n=several[0].n,
    )


def _over_seeds(cost: str, values: Sequence[float]) -> float:
    """The mean of times; of anything else the most, which a machine must have room for."""
    return sum(values) / len(values) if cost == TIME else max(values)


def _over_budget(runs: Sequence[Result]) -> str:
    """That a candidate has no gain within its budgets, so that nothing of it is shipped."""
    return OVER_BUDGET if any(run.gathered.within_budgets is False for run in runs) else ""


def _other_rows(runs: Sequence[Result], first: Result) -> str:
    """What is to be said where a candidate was scored on other rows than the first one; nothing as a rule."""
    reference = first.gathered.rows.get(TUNED)
    for run in runs:
        rows = run.gathered.rows.get(TUNED)
        if reference is not None and rows is not None and aligned(reference, rows) is None:
            both = shared_rows(reference, rows)
            return f"scored on other rows than {first.run.candidate}: {len(rows.rows):,}, {both:,} of them the same"
    return ""
