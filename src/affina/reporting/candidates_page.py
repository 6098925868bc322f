"""The page about a comparison of several candidates, made from `compare.json` alone.

It loads nothing from anywhere and runs no script, as the report of a run. This module measures nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from affina.record import compared
from affina.record.compared import Compared, Standing
from affina.record.files import write_text
from affina.record.measures import SHARES, higher_is_better
from affina.reporting import environment, formats, trade_off
from affina.reporting.again import Command
from affina.reporting.costs import COSTS, paid
from affina.reporting.curves import rate
from affina.reporting.gap import Gap
from affina.reporting.standing_answers import apart, said, with_result
from affina.reporting.trade_off import Named, TradeOff
from affina.reporting.verdict import narrow
from affina.reporting.whiskers import Scale, whiskers

TEMPLATE: Final = "candidates.html.j2"
PAGE: Final = "report.html"
SECTIONS: Final = (
    ("result", "Result"),
    ("cost", "Quality and cost"),
    ("trade-offs", "Trade-offs"),
    ("scores", "Scores"),
    ("seeds", "Seeds"),
    ("rounds", "Rounds"),
    ("without", "Without a result"),
    ("same", "The same for all"),
    ("unmeasured", "Not measured"),
    ("again", "Run it again"),
)
TITLES: Final = {"failed": "failed", "dropped": "stopped early", "open": "not finished"}
NEAR: Final = 0.5
"""Of the span of all candidates: further away a baseline would press them together."""
IN_REPORT: Final = "in its report"
RATES: Final = frozenset({"train.learning_rate", "train.head_learning_rate"})
UNMEASURED: Final = (
    Gap("Forgetting, compared", "what each run forgot is in its own report; candidates are not ranked by it"),
    Gap("Bias and memorising", "whether candidates differ in whom they treat worse, or in what they give away"),
    Gap("Speed in use", "how long a prediction takes: virtual tokens make every text longer, merged updates do not"),
    Gap("Other settings", "each candidate has its own learning rate; its other settings are those of the recipe"),
    Gap("Other rows", "how they stand on rows of another source or of a later time"),
    Gap("The choice itself", "the best of several is picked by the rows of its figure, which flatters it a little"),
)


def write(folder: Path) -> Path:
    """Make the page of a comparison from what is written down in its folder, and put it there, whole or not at all.

    Returns:
        The page's path.

    Raises:
        RunError: the folder holds no comparison, or a damaged one.
    """
    path = folder / PAGE
    write_text(path, render(compared.read(folder), title=folder.resolve().name, folder=str(folder)))
    return path


def render(found: Compared, *, title: str, folder: str) -> str:
    """The page as HTML, of a finished comparison or of one still on its way.

    Args:
        found: what is written down.
        title: the comparison's name.
        folder: as commands name it.
    """
    ranked = with_result(found)
    opening = said(found)
    baselines = [one for one in found.baselines if found.metric in one.metrics]
    others = [one for one in found.standings if one not in ranked]
    return (
        environment.html()
        .get_template(TEMPLATE)
        .render(
            title=title,
            found=found,
            opening=opening,
            sections=_sections(found, ranked, others),
            ranked=ranked,
            baselines=baselines,
            costs=COSTS.values(),
            paid=paid,
            scale=_scale(found, ranked, baselines),
            others=others,
            titles=TITLES,
            in_report=IN_REPORT,
            confidence=f"{found.confidence * 100:g}% ",
            over="rows and seeds" if len(found.seeds) > 1 else "rows",
            narrow=narrow(found.rows) if ranked else "",
            apart=partial(apart, found),
            drawings=list(drawings(found, ranked)),
            frame=trade_off,
            metrics=_metrics(ranked),
            lower=_lower(ranked),
            chosen=_chosen(ranked),
            shared=list(_shared(found)),
            gaps=UNMEASURED,
            commands=list(_commands(found, folder)),
            facts=list(_facts(found)),
        )
    )


def drawings(found: Compared, ranked: list[Standing]) -> Iterator[TradeOff]:
    """Quality against each cost."""
    strongest = next((one for one in found.baselines if found.metric in one.metrics), None)
    line = None if strongest is None else Named(strongest.name, 0.0, strongest.metrics[found.metric], on_front=False)
    for key, cost in COSTS.items():
        candidates = [
            Named(one.name, one.costs[key], one.metrics[found.metric], on_front=key in one.fronts)
            for one in ranked
            if key in one.costs and not one.remark
        ]
        drawn = trade_off.trade_off(
            candidates,
            cost,
            measure=formats.capital(formats.name(found.metric)),
            write=formats.round_percent if found.metric in SHARES else partial(formats.metric, found.metric),
            baseline=line,
        )
        if drawn is not None:
            yield drawn


def _scale(found: Compared, ranked: list[Standing], baselines: list[Standing]) -> Scale | None:
    """All candidates on one scale, and those baselines that do not press them together."""
    figures = {one.name: one.metrics[found.metric] for one in [*ranked, *baselines]}
    return whiskers(figures, first=max(len(ranked), 1), off=NEAR)


def _sections(found: Compared, ranked: list[Standing], others: list[Standing]) -> list[tuple[str, str]]:
    """What the page has, without what has nothing in it."""
    has = {
        "cost": bool(ranked),
        "trade-offs": len(ranked) > 1,
        "scores": bool(ranked),
        "seeds": len(found.seeds) > 1 and bool(ranked),
        "rounds": bool(found.rungs),
        "without": bool(others),
    }
    return [(anchor, name) for anchor, name in SECTIONS if has.get(anchor, True)]


def _metrics(ranked: list[Standing]) -> list[str]:
    return list(dict.fromkeys(key for one in ranked for key in one.metrics))


def _lower(ranked: list[Standing]) -> str:
    names = [formats.name(key) for key in _metrics(ranked) if not higher_is_better(key)]
    return f". {formats.capital(formats.listed(names))}: lower is better" if names else ""


def _chosen(ranked: list[Standing]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The keys that some candidate decided, and each candidate's values."""
    keys = list(dict.fromkeys(key for one in ranked for key in one.chosen))
    rows = [(one.name, [_value(key, one.chosen.get(key)) for key in keys]) for one in ranked]
    return keys, rows


def _value(key: str, value: object) -> str:
    if value is None:
        return ""
    return rate(value) if key in RATES and isinstance(value, float) else formats.plain(value)


def _shared(found: Compared) -> Iterator[tuple[str, str]]:
    """What all candidates have in common."""
    for split, rows in found.data.rows.items():
        yield f"{formats.capital(split)} rows", f"{formats.number(rows)}, SHA-256 {found.data.sha256[split][:12]}"
    for number, (file, digest) in enumerate(found.data.files.items(), start=1):
        yield f"File {number}", f"{environment.basename(file)}, SHA-256 {digest[:12]}"
    yield "Seeds", ", ".join(map(str, found.seeds))
    yield "Begun", environment.moment(found.started)
    yield "Written", environment.moment(found.written)


def _facts(found: Compared) -> Iterator[tuple[str, str]]:
    yield from found.versions.items()
    yield from ((formats.name(key), formats.plain(value)) for key, value in found.machine.items())


def _commands(found: Compared, folder: str) -> Iterator[Command]:
    if found.command:
        what = "makes it again, or goes on with it: finished runs are not run again"
        yield Command(found.command, what if found.finished else "goes on where this comparison stopped")
    yield Command(f"affina report {shlex.quote(folder)}", "writes this page again, without a model")
    first = next((run for run in found.runs if run.state == "finished" and run.share == 1), None)
    if first is not None:
        path = shlex.quote(f"{folder}/{first.folder}")
        yield Command(f"affina evaluate {path} FILE", "measures a candidate's model on labelled rows of yours")
        yield Command(f"affina report {path} OTHER", "compares one run with another one, row by row")
