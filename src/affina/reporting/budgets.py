"""A search within budgets in the reader's words: what was tried, which candidate is exported and why, and what it cost.

The page, the card, the terminal and `report.json` say the same, made here from the record alone. This module measures
nothing and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from affina.record.measures import MEASURES, direction
from affina.record.searched import Held, Searched, Tried
from affina.reporting.costs import Cost
from affina.reporting.formats import (
    budget,
    capital,
    counted,
    difference,
    duration,
    ends,
    interval,
    listed,
    metric,
    name,
)
from affina.reporting.gathered import Gathered
from affina.reporting.trade_off import Named, TradeOff, trade_off

KEPT: Final = "Within its budgets"
NONE_FITS: Final = "None fits"
NONE_GAINS: Final = "None shown to gain"
"""Where the budgets are kept, and no candidate that keeps them is surely better than the baseline."""
OVER_BUDGET: Final = "over-budget/"
"""Where the tuned model is that is not shipped, in the run's folder."""


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate as a table has it.

    Attributes:
        name: what it is called.
        score: on the validation rows.
        gain: over the baseline.
        held: each probe's figure.
        fate: whether it was exported, or why not, in a word or two.
    """

    name: str
    score: str
    gain: str
    held: tuple[str, ...]
    fate: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a run's record says of its search.

    Attributes:
        found: as it was recorded.
        word: how it ended, in a few words.
        sentences: that, whole.
        probes: what each of the candidates' figures is of, with its budget.
        lines: the candidates, in the order in which they were tried.
        front: score against the first of these figures, drawn; None where fewer than two can be.
    """

    found: Searched
    word: str
    sentences: tuple[str, ...]
    probes: tuple[str, ...]
    lines: tuple[Line, ...]
    front: TradeOff | None

    @property
    def passed(self) -> bool:
        """Whether a model was exported that keeps the budgets."""
        return self.found.exported is not None

    @property
    def way_out(self) -> str:
        """What to try where none passed."""
        if self.word == NONE_GAINS:
            return "more training where the run advises it, more validation rows to show a gain, or another model"
        return "larger budgets, or less change (method=lora, a lower train.learning_rate)"

    @property
    def in_short(self) -> str:
        """One line."""
        return f"{self.word}: {self.sentences[0]}"


def search_of(run: Gathered) -> Search | None:
    """What the record says; None for a run without budgets, or that has not come to its search."""
    found = run.searched
    if found is None or not run.tried:
        return None
    return Search(
        found=found,
        word=_word(run.tried, found),
        sentences=tuple(_sentences(run.tried, found)),
        probes=tuple(_head(held) for held in run.tried[0].held),
        lines=tuple(_line(one, found) for one in run.tried),
        front=_front(run.tried, found),
    )


def as_json(run: Gathered) -> dict[str, Any] | None:
    """The same for other programs; None where there is none."""
    found = search_of(run)
    if found is None:
        return None
    return {
        "passed": found.passed,
        "exported": found.found.exported,
        "sentences": list(found.sentences),
        **asdict(found.found),
        "tried": [{"name": one.name, "fits": one.fits, **asdict(one)} for one in run.tried],
    }


def _word(tried: tuple[Tried, ...], found: Searched) -> str:
    if found.exported is not None:
        return KEPT
    return NONE_GAINS if any(one.is_within for one in tried) else NONE_FITS


def _sentences(tried: tuple[Tried, ...], found: Searched) -> Iterator[str]:
    budgets = listed([f"{risk} {budget(risk, most)}" for risk, most in found.budgets.items()])
    if found.exported is None:
        some = any(one.is_within for one in tried)
        what = "no model that keeps the budgets is shown to gain anything" if some else "no model passes"
        yield f"{what} ({budgets}): {found.why}"
        tuned = next((one for one in tried if one.strength == 1), None)
        over = (
            "has not passed" if tuned is None or not tuned.is_within else "was not shown to gain; it is over no budget"
        )
        yield f"nothing is shipped: the figures are of the tuned model, which lies in {OVER_BUDGET} and {over}"
    else:
        yield f"{found.exported} is exported, within the budgets ({budgets}): {found.why}"
    yield (
        "the rows of the report had no part in the search"
        if found.unseen
        else "there is no test split: the report is about the rows that the search chose by, which flatters"
    )
    yield f"the search took {duration(found.seconds)} for {found.candidates:,} candidates"
    yield from found.notes


def told(held: Held) -> str:
    """A figure beside its budget, or why it settles nothing."""
    if held.figure is None:
        return f"{held.probe} was not measured ({held.why})"
    if held.outcome == "few":
        return f"{held.risk}: {counted(held.figure.found.n, 'rows')} are too few to tell ({held.probe})"
    key, beside = held.figure.metric, f" ({held.said})" if held.said else ""
    figure, allowed = interval(key, held.figure.found), budget(held.risk, held.budget, key)
    return f"{held.risk} ({held.probe}) {figure}, the budget is {allowed}{beside}"


def tried_in_short(one: Tried) -> str:
    """A candidate in a line."""
    return "; ".join([f"{name(one.metric)} {interval(one.metric, one.score)}, gain {gain(one)}", *map(told, one.held)])


def fate(one: Tried, found: Searched | None = None) -> str:
    """What became of a candidate."""
    if found is not None and one.name == found.exported:
        return "exported"
    if not one.is_within:
        return "over a budget" if any(held.outcome == "flagged" for held in one.held) else "not shown to be within"
    return "within" if one.gains else "within, no clear gain"


def gain(one: Tried) -> str:
    """Over the baseline, with its interval."""
    return f"{difference(one.metric, one.gain.value)} ({ends(one.metric, one.gain)})"


def _head(held: Held) -> str:
    return f"{held.risk}: {held.probe}, at most {budget(held.risk, held.budget)}"


def _line(one: Tried, found: Searched) -> Line:
    held = tuple(
        held.why if held.figure is None else interval(held.figure.metric, held.figure.found) for held in one.held
    )
    return Line(one.name, interval(one.metric, one.score), gain(one), held, fate(one, found))


def _front(tried: tuple[Tried, ...], found: Searched) -> TradeOff | None:
    """Score against the first probe's figure; a candidate is on the front where no other is better in both."""
    measured = [(one, one.held[0].figure) for one in tried if one.held]
    points = [(one, figure.found.value, figure.metric) for one, figure in measured if figure is not None]
    if not points:
        return None
    key = points[0][2]
    way = direction(found.metric)

    def passed(one: Tried, cost: float) -> bool:
        score = way * one.score.value
        return any(
            way * other.score.value >= score and less <= cost and (way * other.score.value, -less) != (score, -cost)
            for other, less, _ in points
        )

    named = [Named(one.name, cost, one.score, not passed(one, cost)) for one, cost, _ in points]
    unit = (0.01, "%") if key in MEASURES and MEASURES[key].is_share else (1.0, "")
    cost = Cost(capital(name(key)), lambda value: metric(key, value), lambda value: metric(key, value), (unit,))
    baseline = Named(found.baseline, 0.0, found.began, False)
    ranked = sorted(named, key=lambda one: -way * one.quality.value)
    return trade_off(
        ranked, cost, measure=name(found.metric), write=lambda value: metric(found.metric, value), baseline=baseline
    )
