"""The first screen of a comparison: four answers, each a few words with a line below.

Which candidate is the best, how sure is that, which is the cheapest of those that are level with it, and is it worth
more than a baseline. One whose answers say nothing is never the best, and few rows tell nobody apart. This module
measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.record.compared import Compared, Standing
from affina.record.figures import LEAST_ROWS, Measured
from affina.record.measures import higher_is_better
from affina.reporting.costs import COSTS, share_trained
from affina.reporting.formats import capital, counted, difference, ends, gap, interval, listed, metric, name
from affina.reporting.verdict import NEEDS, TITLES

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
    best, *others = ranked
    if best.remark:
        return Said("No best one", "void", f"None can be called the best. {_each(ranked)}", ())
    rivals = [one for one in others if not one.remark]
    answers = _answers(found, best, rivals)
    beside = _beside_baseline(found)
    return Said(*_outcome(found, rivals), f"{_headline(found, best, others)}{beside}", tuple(answers))


def with_result(found: Compared) -> list[Standing]:
    """The candidates that can be ranked, the best first; behind them those that cannot be set beside it."""
    return [one for one in found.standings if found.metric in one.metrics]


def apart(found: Compared, one: Standing) -> tuple[str, str, str]:
    """How far a candidate or a baseline is from the best.

    Returns:
        The difference, the ends of its interval, and what the rows say of it; each may be empty.
    """
    few = one.metrics[found.metric].n < LEAST_ROWS
    words = ("too few rows" if few else "level") if one.level else ""
    words = ", ".join(filter(None, (words, one.remark)))
    if one.behind is None:
        return "", "", words
    return difference(found.metric, one.behind.value), "" if few else ends(found.metric, one.behind), words


def _outcome(found: Compared, rivals: list[Standing]) -> tuple[str, str]:
    """The tag and its tone."""
    if not found.finished:
        return "Not finished", "open"
    if found.rows < LEAST_ROWS:
        return TITLES["few"], "few"
    strongest = _comparable(found)
    if strongest is not None and _is_better(found, strongest):
        return "Below a baseline", "worse"
    if _level(rivals):
        return "Level", "open"
    if strongest is not None and strongest.level:
        return "No clear gain", "open"
    return ("Settled", "better") if rivals else (TITLES["alone"], "alone")


def _level(rivals: list[Standing]) -> list[Standing]:
    return [one for one in rivals if one.level]


def _each(several: list[Standing]) -> str:
    """Each of those that cannot be set beside others, with the reason."""
    return "; ".join(f"{one.name}: {one.remark}" for one in several)


def _headline(found: Compared, best: Standing, others: list[Standing]) -> str:
    rivals = [one for one in others if not one.remark]
    level = _level(rivals)
    if not rivals:
        alone = f"no other candidate can be set beside it ({_each(others)})" if others else "no other has a result"
        figure = interval(found.metric, best.metrics[found.metric])
        return f"{capital(name(found.metric))} {figure} of {best.name}; {alone}"
    if found.rows < LEAST_ROWS:
        few = f"{counted(found.rows, 'rows')} are too few to tell ({LEAST_ROWS} or more can)"
        reached = best.metrics[found.metric].value
        alike = [one for one in rivals if one.metrics[found.metric].value == reached]
        if alike:
            return f"{capital(_names([best, *alike]))} have the same {name(found.metric)}, and {few}"
        return f"{capital(best.name)} is ahead, but {few}"
    if level:
        verb = "is" if len(level) == 1 else "are"
        return f"{capital(best.name)} is ahead, and {_names(level)} {verb} level with it on these rows"
    second = rivals[0]
    if second.behind is None:
        return f"{capital(best.name)} has the best {name(found.metric)}"
    size = gap(found.metric, second.behind.value)
    size += f" of {name(found.metric)}" if size.endswith("points") else f" in {name(found.metric)}"
    what = "the best candidate" if _beside_baseline(found) else "the best"
    return f"{capital(best.name)} is {what}, {size} ahead of {second.name}"


def _strongest(found: Compared) -> Standing | None:
    """The best of the baselines."""
    return next((one for one in found.baselines if found.metric in one.metrics), None)


def _comparable(found: Compared) -> Standing | None:
    """The best of the baselines, where it was asked on rows enough to be set beside the candidates."""
    best = _strongest(found)
    return None if best is None or best.metrics[found.metric].n < LEAST_ROWS else best


def _is_better(found: Compared, baseline: Standing) -> bool:
    """Whether a baseline is better than the best candidate, by more than chance."""
    if baseline.behind is None or baseline.level:
        return False
    return (baseline.behind.value > 0) is higher_is_better(found.metric)


def _beside_baseline(found: Compared) -> str:
    """What the headline says of a baseline that the best candidate is not surely ahead of; empty where it is."""
    strongest = _comparable(found)
    if strongest is None or found.rows < LEAST_ROWS:
        return ""
    who, figure = strongest.name.partition(" on ")[0], metric(found.metric, strongest.metrics[found.metric].value)
    if _is_better(found, strongest):
        return f"; but the {who} is better, at {figure}"
    return f"; but that it is worth more than the {who}, at {figure}, is not settled" if strongest.level else ""


def _answers(found: Compared, best: Standing, rivals: list[Standing]) -> list[tuple[str, str, str]]:
    return [
        ("Which is the best?", *_which(found, best)),
        ("How sure is that?", *_sure(found, rivals)),
        ("Which is the cheapest of the best?", *_cheapest(found, [best, *_level(rivals)])),
        ("Is it worth more than a baseline?", *_worth(found)),
    ]


def _which(found: Compared, best: Standing) -> tuple[str, str]:
    figure = f"{name(found.metric)} {_over(found, best)}"
    return ("Not known", f"{best.name} is ahead: {figure}") if found.rows < LEAST_ROWS else (capital(best.name), figure)


def _over(found: Compared, best: Standing) -> str:
    rows = f"on {counted(found.rows, 'rows')} of the {found.split} split"
    seeds = f", the mean of {len(best.seeds)} seeds" if len(best.seeds) > 1 else ", one seed"
    return f"{interval(found.metric, best.metrics[found.metric])} {rows}{seeds}"


def _sure(found: Compared, rivals: list[Standing]) -> tuple[str, str]:
    confidence = f"{found.confidence * 100:g}%"
    if found.rows < LEAST_ROWS:
        return "Not known", NEEDS
    if not rivals:
        return "Not known", "there is no other candidate to set it beside"
    if level := _level(rivals):
        several = f"level with {counted(len(level), 'others')}" if len(level) > 1 else f"level with {level[0].name}"
        return f"Not {confidence} sure", f"{several}: these rows{_and_seeds(found)} cannot tell them apart"
    return f"{confidence} sure", f"apart from each other candidate, on the same rows{_and_seeds(found)}"


def _and_seeds(found: Compared) -> str:
    return " and seeds" if len(found.seeds) > 1 else ""


def _cheapest(found: Compared, level: list[Standing]) -> tuple[str, str]:
    """Of those that are level with the best: by trained weights, which decide what is shipped and kept apart."""
    known = [one for one in level if "trained" in one.costs]
    if found.rows < LEAST_ROWS:
        return "Not known", "so few rows do not tell which are among the best"
    if not known:
        return "Not known", "the records do not say how many weights were trained"
    one = min(known, key=lambda one: one.costs["trained"])
    share = f"trained weights: {share_trained(one)} of the model's own" if one.parameters else ""
    spent = f"{COSTS['seconds'].cell(one.costs['seconds'])} of training" if "seconds" in one.costs else ""
    return capital(one.name), ", ".join(filter(None, [share, spent]))


def _worth(found: Compared) -> tuple[str, str]:
    strongest = _strongest(found)
    if strongest is None:
        return "Not measured", "no baseline was measured on these rows"
    measured = strongest.metrics[found.metric]
    figure = f"{interval(found.metric, measured)} of the {strongest.name}"
    figure += f" ({strongest.remark})" if strongest.remark else ""
    if strongest.level and measured.n < LEAST_ROWS:
        return TITLES["few"], f"beside {figure}"
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
