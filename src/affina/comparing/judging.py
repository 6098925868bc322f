"""Which candidate is the best, which are level with it, and which are worth their cost.

Two are told apart as two runs are (`reporting.paired`): the interval of their difference on the same rows leaves out
zero and, where each has one seed, McNemar's test agrees. One whose answers say nothing is behind all others, whatever
its figure. This module runs nothing and reads only finished runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from affina.comparing.figures import BASELINE, Figures, Results, baseline_standings, draw, metrics_of, standing_of, void
from affina.comparing.fronts import front
from affina.comparing.reading import TUNED, Result
from affina.record.compared import COSTS, Standing
from affina.record.measures import direction
from affina.reporting.paired import Paired, discordant
from affina.reporting.verdict import settled, telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The candidates that have a result.

    Attributes:
        metric: what they are ranked by.
        split: the rows that they were scored on,
        rows: and how many of them that metric is of.
        standings: the best first; behind them those that cannot be set beside it.
        baselines: the strongest first.
    """

    metric: str
    split: str
    rows: int
    standings: tuple[Standing, ...]
    baselines: tuple[Standing, ...]


def judge(results: Results, *, resamples: int, confidence: float) -> Judged | None:
    """Rank candidates; None where there is none with scores.

    Args:
        results: candidate to its finished runs, one for each seed.
        resamples: draws behind each interval.
        confidence: the level of the intervals.
    """
    scored = {name: runs for name, runs in results.items() if runs and all(map(_is_scored, runs))}
    if not scored:
        return None
    first = min(scored.values(), key=lambda runs: bool(void(runs)))[0]
    metric = telling(metrics_of(first), first.gathered.chosen_metric)
    figures = draw(scored, first, resamples=resamples, confidence=confidence)
    every = [standing_of(name, runs, figures, metric, first=first) for name, runs in scored.items()]
    ranked = sorted(every, key=lambda one: (metric not in one.metrics, bool(one.remark), _rank(one, metric)))
    baselines = sorted(baseline_standings(scored, figures, metric, first=first), key=lambda one: _rank(one, metric))
    best = ranked[0]
    if metric in best.metrics and not best.remark:
        ranked = [one if one.remark else _beside(best, one, one.name, figures, metric) for one in ranked]
        baselines = [_beside(best, one, BASELINE + one.name, figures, metric) for one in baselines]
    return Judged(
        metric=metric,
        split=first.gathered.scores[TUNED].split,
        rows=metrics_of(first)[metric].n,
        standings=_with_fronts(ranked, metric),
        baselines=tuple(baselines),
    )


def _is_scored(run: Result) -> bool:
    return TUNED in run.gathered.scores and bool(metrics_of(run))


def _rank(one: Standing, metric: str) -> float:
    """Lower is better; last what has no such figure."""
    if metric not in one.metrics:
        return math.inf
    return -direction(metric) * one.metrics[metric].value


def _beside(best: Standing, one: Standing, entry: str, figures: Figures, metric: str) -> Standing:
    """A standing with its distance from the best, and whether the rows tell the two apart."""
    if entry == best.name or metric not in one.metrics:
        return one
    drawn = figures.pair(entry, best.name, metric)
    if drawn is None:
        return replace(one, level=not settled(best.metrics[metric], one.metrics[metric], None))
    behind = drawn.difference(entry, best.name)
    [ours, *more], [theirs, *others] = figures.part(entry, best.name).values()
    by_row = None if more or others else discordant(ours, theirs, metric)
    return replace(one, behind=behind, level=not Paired(behind, by_row, drawn.confidence).settled)


def _with_fronts(standings: Sequence[Standing], metric: str) -> tuple[Standing, ...]:
    able = [one for one in standings if not one.remark]
    on = {
        cost: front({one.name: (one.costs[cost], -_rank(one, metric)) for one in able if cost in one.costs})
        for cost in COSTS
    }
    return tuple(replace(one, fronts=tuple(cost for cost in COSTS if one.name in on[cost])) for one in standings)
