"""The first screen of a comparison: four answers, each a few words with a line below.

Which candidate is the best, how sure is that, which is the cheapest of those that are level with it, and is it worth
more than a baseline. This module measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.record.compared import Compared, Standing
from affina.record.figures import Measured
from affina.record.measures import higher_is_better
from affina.reporting.formats import capital, counted, difference, duration, ends, interval, listed, name, percent

MOST_NAMES: Final = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What the page opens with.

    Attributes:
        tag: the outcome in a word or two.
        tone: its colour, as the verdict of a run has it.
        headline: the same as a heading.
        answers: question, answer in a few words, and what is behind it.
    """

    tag: str
    tone: str
    headline: str
    answers: tuple[tuple[str, str, str], ...]


def said(found: Compared) -> Said:
    """The opening of the page."""
    ranked = with_result(found)
    if not ranked:
        waiting = any(one.state == "open" for one in found.standings)
        return Said("Not finished" if waiting else "No result", "alone", "No candidate has a result yet", ())
    best, level = ranked[0], [one for one in ranked[1:] if one.level]
    tone = "open" if level or not found.finished else "better"
    tag = "Not finished" if not found.finished else "Level" if level else "Settled"
    return Said(tag, tone, _headline(found, best, level, ranked), tuple(_answers(found, best, level)))


def with_result(found: Compared) -> list[Standing]:
    """The candidates that can be ranked, the best first."""
    ranked = [one for one in found.standings if found.metric in one.metrics]
    return sorted(ranked, key=lambda one: bool(one.remark))


def _headline(found: Compared, best: Standing, level: list[Standing], ranked: list[Standing]) -> str:
    figure = interval(found.metric, best.metrics[found.metric])
    if len(ranked) == 1:
        return f"{capital(name(found.metric))} {figure} of {best.name}; no other candidate has a result"
    if level:
        verb = "is" if len(level) == 1 else "are"
        return f"{capital(best.name)} is ahead, and {_names(level)} {verb} level with it on these rows"
    second = ranked[1]
    if second.behind is None:
        return f"{capital(best.name)} has the best {name(found.metric)}"
    size = difference(found.metric, abs(second.behind.value)).removeprefix("+")
    size += f" of {name(found.metric)}" if size.endswith("points") else f" in {name(found.metric)}"
    return f"{capital(best.name)} is the best, {size} ahead of {second.name}"


def _answers(found: Compared, best: Standing, level: list[Standing]) -> list[tuple[str, str, str]]:
    return [
        ("Which is the best?", capital(best.name), f"{name(found.metric)} {_over(found, best)}"),
        ("How sure is that?", *_sure(found, level)),
        ("Which is the cheapest of the best?", *_cheapest([best, *level])),
        ("Is it worth more than a baseline?", *_worth(found)),
    ]


def _over(found: Compared, best: Standing) -> str:
    rows = f"on {counted(found.rows, 'rows')} of the {found.split} split"
    seeds = f", the mean of {len(best.seeds)} seeds" if len(best.seeds) > 1 else ", one seed"
    return f"{interval(found.metric, best.metrics[found.metric])} {rows}{seeds}"


def _sure(found: Compared, level: list[Standing]) -> tuple[str, str]:
    confidence = f"{found.confidence * 100:g}%"
    if level:
        several = f"level with {counted(len(level), 'others')}" if len(level) > 1 else f"level with {level[0].name}"
        return f"Not {confidence} sure", f"{several}: these rows{_and_seeds(found)} cannot tell them apart"
    return f"{confidence} sure", f"apart from each other candidate, on the same rows{_and_seeds(found)}"


def _and_seeds(found: Compared) -> str:
    return " and seeds" if len(found.seeds) > 1 else ""


def _cheapest(level: list[Standing]) -> tuple[str, str]:
    """Of those that are level with the best: by trained weights, which decide what is shipped and kept apart."""
    known = [one for one in level if "trained" in one.costs]
    if not known:
        return "Not known", "the records do not say how many weights were trained"
    one = min(known, key=lambda one: one.costs["trained"])
    share = f"{percent(one.costs['trained'] / one.parameters)} of the weights trained" if one.parameters else ""
    spent = f"{duration(one.costs['seconds'])} of training" if "seconds" in one.costs else ""
    return capital(one.name), ", ".join(filter(None, [share, spent]))


def _worth(found: Compared) -> tuple[str, str]:
    strongest = next((one for one in found.baselines if found.metric in one.metrics), None)
    if strongest is None:
        return "Not measured", "no baseline was measured on these rows"
    figure = f"{interval(found.metric, strongest.metrics[found.metric])} of the {strongest.name}"
    figure += f" ({strongest.remark})" if strongest.remark else ""
    if strongest.behind is None:
        return ("Not settled" if strongest.level else "See the figures"), figure
    gain = strongest.behind
    ahead = Measured(value=-gain.value, low=-gain.high, high=-gain.low, n=gain.n)
    between = f"best minus baseline: {ends(found.metric, ahead)}"
    if strongest.level:
        return "Not settled", f"beside {figure}; {between}"
    better = (ahead.value > 0) is higher_is_better(found.metric)
    return difference(found.metric, ahead.value) if better else "No, worse", f"beside {figure}; {between}"


def _names(several: list[Standing]) -> str:
    names = [one.name for one in several]
    more = len(names) - MOST_NAMES
    return listed(names) if more <= 0 else f"{', '.join(names[:MOST_NAMES])} and {more} more"
