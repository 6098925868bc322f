"""The first screen: the four answers that a manager needs, each a few words with a line below.

Is it better than what there was, by how much, how sure is that, what did it cost. This module measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.record.figures import LEAST_ROWS
from affina.reporting.formats import brief, chance, counted, difference, duration, ends, interval, mebibytes, name
from affina.reporting.gathered import Gathered
from affina.reporting.paired import CONFIDENCE
from affina.reporting.verdict import Verdict

BETTER: Final = {
    "better": "Yes",
    "open": "Not settled",
    "few": "Too few rows to tell",
    "worse": "No, worse",
    "void": "No: the answers say nothing",
    "alone": "Not known",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Each question's answer in a few words, and what is behind it."""

    better: str
    better_note: str
    gain: str
    gain_note: str
    sure: str
    sure_note: str
    cost: str
    cost_note: str


def answers(found: Verdict, run: Gathered) -> Answers:
    """The answers of one run."""
    level = f"{(run.confidence or CONFIDENCE) * 100:g}%"
    gain, gain_note = _gain(found, level)
    sure, sure_note = _sure(found, level)
    cost, cost_note = _cost(run)
    return Answers(BETTER[found.outcome], _against(found), gain, gain_note, sure, sure_note, cost, cost_note)


def _against(found: Verdict) -> str:
    ours = f"{name(found.metric)} {interval(found.metric, found.tuned)}"
    if found.rival is None:
        return f"{ours}; no baseline was measured on these rows"
    best = interval(found.metric, found.baselines[found.rival])
    rest = f", the best of {counted(len(found.baselines), 'baselines')}" if len(found.baselines) > 1 else ""
    return f"{ours} against {best} of the {brief(found.rival)}{rest}"


def _gain(found: Verdict, level: str) -> tuple[str, str]:
    if found.outcome == "void":
        return "Nothing of use", f"a difference in {name(found.metric)} says nothing of such answers"
    if found.difference is None:
        return "Not measured", "there is nothing to compare with"
    size = difference(found.metric, found.difference)
    if found.pair is None:
        return size, f"of {name(found.metric)}; the record has no interval for the difference"
    rows = counted(found.pair.difference.n, "rows")
    if found.outcome == "few":
        return size, f"of {name(found.metric)}, on the same {rows}: too few for an interval that means anything"
    between = ends(found.metric, found.pair.difference)
    return size, f"of {name(found.metric)}; {level} interval {between}, on the same {rows}"


def _sure(found: Verdict, level: str) -> tuple[str, str]:
    if found.outcome in ("alone", "void"):
        return ("Not known" if found.outcome == "alone" else "Not asked"), found.sentence
    if found.outcome == "few":
        return "Not known", f"a verdict needs {LEAST_ROWS} rows or more; data.test names or holds out more"
    settled = found.outcome != "open"
    words = f"{level} sure" if settled else f"Not {level} sure"
    if found.pair is None:
        apart = "do not overlap" if settled else "overlap; more test rows would tell"
        return words, f"by the two figures' intervals, which {apart}"
    note = "the interval leaves out zero"
    if not settled:
        why = "too few rows differ" if found.pair.leaves_out_zero else "the interval holds zero"
        note = f"{why}; more test rows would tell"
    if (rows := found.pair.discordant) is not None:
        note += f". Right where the other is wrong: {rows.first:,} to {rows.second:,} (McNemar p {chance(rows.p)})"
    return words, note


def _cost(run: Gathered) -> tuple[str, str]:
    if run.finished is None:
        return "Not known", "the run has not ended"
    device = run.started[-1].machine.get("device") if run.started else None
    where = f" on {device}" if isinstance(device, str) else ""
    total = run.finished.seconds.get("total")
    spent = "Not recorded" if total is None else duration(total)
    whole = "" if run.went_on_at is None else f" since it went on after step {run.went_on_at:,}"
    return spent, f"in all{whole}{where}, with {mebibytes(run.finished.peak_memory_bytes)} of memory at the peak"
