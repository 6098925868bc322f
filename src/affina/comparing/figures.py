"""The figures of candidates and baselines: means over seeds, with intervals over the rows that all were scored on.

It ranks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.comparing.reading import TUNED, Result
from affina.comparing.resampled import Sampled, sample
from affina.record.compared import COSTS, Standing
from affina.record.figures import Measured
from affina.record.payloads import Scores
from affina.record.row_results import RowResults
from affina.reporting.formats import name as named
from affina.reporting.paired import MACRO_F1, aligned, shared_rows

Results = Mapping[str, Sequence[Result]]
"""Candidate to its finished runs, one for each seed."""


BASELINE: Final = "baseline: "
"""Before a baseline's name, since a candidate may be called the same."""
TIME: Final = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures on the same rows.

    Attributes:
        rows: candidate, or baseline behind `BASELINE`, to its results by row, of one seed each.
        sampled: metric to what was drawn of it; None where results by row do not tell it.
    """

    rows: Mapping[str, Sequence[RowResults]]
    sampled: Mapping[str, Sampled | None]


def metrics_of(run: Result) -> Mapping[str, Measured]:
    """The tuned model's figures of one run."""
    return run.gathered.scores[TUNED].metrics


def draw(results: Results, *, resamples: int, confidence: float) -> Figures:
    """Draw rows and seeds for every metric; the rows are those of the first candidate's first run."""
    first = next(iter(results.values()))[0]
    rows: dict[str, Sequence[RowResults]] = {
        name: [run.gathered.rows[TUNED] for run in runs]
        for name, runs in results.items()
        if all(TUNED in run.gathered.rows for run in runs)
    }
    for name, (run, who) in baselines_of(results).items():
        if who in run.gathered.rows:
            rows[BASELINE + name] = [run.gathered.rows[who]]
    keys = dict.fromkeys(key for runs in results.values() for run in runs for key in metrics_of(run))
    return Figures(
        rows=rows,
        sampled={
            key: sample(_on_rows_of(first, rows, key), key, resamples=resamples, confidence=confidence) for key in keys
        },
    )


def _on_rows_of(
    first: Result, rows: Mapping[str, Sequence[RowResults]], metric: str
) -> Mapping[str, Sequence[RowResults]]:
    """Those that were scored on the same rows as the first candidate, in this metric."""
    reference = first.gathered.rows.get(TUNED)
    if reference is None:
        return {}
    return {
        name: several
        for name, several in rows.items()
        if all(aligned(reference, one) and _tells(one, metric) for one in several)
    }


def _tells(found: RowResults, metric: str) -> bool:
    """Whether a metric can be had from these; the macro-F1 is made of the classes."""
    return metric in found.values or metric in found.parts or (metric == MACRO_F1 and bool(found.expected))


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
    metrics = {
        key: _figure(name, figures.sampled[key]) or _widest(runs, key)
        for key in metrics_of(runs[0])
        if all(key in metrics_of(run) for run in runs)
    }
    return Standing(
        name=name,
        metrics=metrics,
        seeds=tuple(run.run.seed for run in runs),
        by_seed=tuple(metrics_of(run)[metric].value for run in runs if metric in metrics_of(run)),
        costs={
            key: _over_seeds(key, [run.costs[key] for run in runs])
            for key in COSTS
            if all(key in run.costs for run in runs)
        },
        parameters=runs[0].gathered.model.parameters if runs[0].gathered.model else 0,
        chosen=runs[0].chosen,
        ships=runs[0].run.ships,
        remark=_other_rows(runs, first),
    )


def baseline_standings(results: Results, figures: Figures, *, split: str) -> list[Standing]:
    """The baselines' figures on a split."""
    found = []
    for name, (run, who) in baselines_of(results).items():
        scores = run.gathered.scores[who]
        if scores.split != split:
            continue
        metrics = {
            key: _figure(BASELINE + name, figures.sampled.get(key)) or figure for key, figure in scores.metrics.items()
        }
        seen = max(figure.n for figure in scores.metrics.values())
        fewer = seen < max(figure.n for figure in metrics_of(run).values())
        found.append(Standing(name=name, metrics=metrics, remark=f"on {seen:,} of the rows" if fewer else ""))
    return found


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


def _other_rows(runs: Sequence[Result], first: Result) -> str:
    """What is to be said where a candidate was scored on other rows than the first one; nothing as a rule."""
    reference = first.gathered.rows.get(TUNED)
    for run in runs:
        rows = run.gathered.rows.get(TUNED)
        if reference is not None and rows is not None and aligned(reference, rows) is None:
            both = shared_rows(reference, rows)
            return f"scored on other rows than {first.run.candidate}: {len(rows.rows):,}, {both:,} of them the same"
    return ""
