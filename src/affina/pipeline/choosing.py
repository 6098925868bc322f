"""Which candidate of a search within budgets is exported, where it is looked for next, and what is said of that.

Made from what was tried alone; nothing is measured here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from affina.pipeline.budgets import key_of
from affina.record.measures import direction
from affina.record.risks import Risk
from affina.record.searched import Held, Tried
from affina.reporting.budgets import gain, told
from affina.reporting.formats import budget, counted, interval, name


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """Of the candidates that fit the best, and of equals the one that changed less; None where none fits."""
    return max((one for one in tried if one.fits), key=_rank, default=None)


def _rank(one: Tried) -> tuple[float, float, int]:
    way = direction(one.metric)
    return way * one.score.value, -(1.0 if one.strength is None else one.strength), -one.step


def next_strength(tried: Sequence[Tried]) -> float:
    """Where on the line the best may be that was not tried.

    That is half of the least strength where none is within the budgets; else between the best that is within and the
    next one above it, or below it where there is none above.
    """
    line = {one.strength: one for one in tried if one.strength is not None}
    within = [one for one in line.values() if one.is_within]
    if not within:
        return min(line) / 2
    best = max(within, key=_rank).strength or 0.0
    other = min((one for one in line if one > best), default=max((one for one in line if one < best), default=0.0))
    return round((best + other) / 2, 6)


def why_this(chosen: Tried, tried: Sequence[Tried]) -> str:
    """Why a candidate is exported."""
    fit = sum(one.fits for one in tried)
    return (
        f"the best of {counted(fit, 'candidates')} that gain and are within, of {len(tried):,} tried, by"
        f" {name(chosen.metric)} on the validation rows: {interval(chosen.metric, chosen.score)}"
    )


def why_none(tried: Sequence[Tried], *, baseline: str) -> str:
    """Why none is exported."""
    within = [one for one in tried if one.is_within]
    if within:
        best = max(within, key=lambda one: one.gain.value)
        return (
            f"{len(within):,} of {counted(len(tried), 'candidates')} {'is' if len(within) == 1 else 'are'} within all"
            f" budgets, and none of these is shown to be better than the {baseline}: the most is {best.name} with"
            f" {gain(best)} in {name(best.metric)} on validation rows"
        )
    nearest = min(tried, key=_excess)
    return f"none of {counted(len(tried), 'candidates')} is within all budgets; the nearest is {nearest.name}: " + (
        "; ".join(map(told, nearest.held)) or "no probe has looked at it"
    )


def _excess(one: Tried) -> float:
    """How many budgets the worst figure of a candidate reaches up to; one that settles nothing, any number."""
    ends = [
        held.figure.found.high / held.budget if held.figure and held.outcome != "few" else float("inf")
        for held in one.held
    ]
    return max(ends, default=float("inf"))


def notes_on(tried: Sequence[Tried], budgets: Mapping[Risk, float]) -> Iterator[str]:
    """What a reader should know: budgets that a probe cannot resolve on this run, with what it can."""
    for risk, most in budgets.items():
        coarse: dict[str, float] = {}
        for one in tried:
            for held in one.held:
                if held.risk == risk and held.figure is not None and _is_coarse(held):
                    above = _above(held)
                    coarse[held.probe] = min(above, coarse.get(held.probe, above))
        for probe, above in coarse.items():
            least = budget(risk, rounded_up(above))
            if not any(_resolves(one, risk, probe) for one in tried):
                asked = budget(risk, most).replace(" points", "pp")  # as the key takes it
                yield (
                    f"{key_of(risk)}={asked} is finer than what {probe} can tell on this run: the interval"
                    f" reaches {least} above the figure, and budgets from {least} on can be resolved"
                )


def _above(held: Held) -> float:
    """How far the interval reaches above the figure, which at 0 is all of it."""
    return 0.0 if held.figure is None else held.figure.found.high - held.figure.found.value


def rounded_up(value: float) -> float:
    """To two digits; `value` lies above 0."""
    digits = 1 - math.floor(math.log10(value))
    scale = 10.0**digits
    return math.ceil(value * scale - 1e-9) / scale


def _is_coarse(held: Held) -> bool:
    """Whether the figure is within the budget and its interval alone is not, reaching further up than that."""
    figure = held.figure
    return figure is not None and figure.found.value <= held.budget < figure.found.high and _above(held) > held.budget


def _resolves(one: Tried, risk: Risk, probe: str) -> bool:
    return any((held.risk, held.probe, held.outcome) == (risk, probe, "within") for held in one.held)
