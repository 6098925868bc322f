"""Two runs against each other: whether they can be compared, which is better, and how sure that is.

Runs scored on the same rows are compared row by row. Where a record has no results by row, equal files, splits and
seeds have to vouch for the same rows, and the intervals decide. Anything else is not comparable, and why is said. This
module reads no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from affina.record.figures import LEAST_ROWS, Measured
from affina.record.measures import MEASURES, higher_is_better
from affina.record.payloads import Scores
from affina.record.row_results import RowResults
from affina.reporting.degenerate import degenerate_of
from affina.reporting.formats import NOT_DEFINED, NOT_MEASURED, chance, counted, difference, ends, gap, interval, name
from affina.reporting.gathered import Gathered
from affina.reporting.paired import CONFIDENCE, Paired, aligned, paired, shared_rows
from affina.reporting.verdict import TITLES, settled

TUNED: Final = "tuned"
Outcome = Literal["first", "second", "open", "void", "apart"]
"""Which is better, or that the rows do not tell; `void` where that would be one whose answers say nothing; `apart` are
two that cannot be compared."""


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of both runs.

    Attributes:
        key: the metric.
        first: the first run's figure, if it has one.
        second: the second run's.
        pair: the second minus the first on the same rows, where there are results by row.
        outcome: what these figures say; apart where the runs cannot be compared.
        missing: what to say of either where it has no figure.
    """

    key: str
    first: Measured | None
    second: Measured | None
    pair: Paired | None
    outcome: Outcome
    missing: tuple[str, str] = (NOT_MEASURED, NOT_MEASURED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs against each other.

    Attributes:
        outcome: by the metric of the headline.
        headline: the same as a heading.
        sentence: the same with its figures, and how it was found.
        reasons: why they cannot be compared; empty where they can.
        lines: every metric that either has, the one of the headline first.
    """

    outcome: Outcome
    headline: str
    sentence: str
    reasons: tuple[str, ...]
    lines: tuple[Line, ...]


def compare(first: Gathered, second: Gathered, *, names: tuple[str, str]) -> Comparison:
    """Compare the tuned models of two runs.

    Args:
        first: a run, such as the one in use.
        second: the run that may take its place.
        names: what the reader calls them.
    """
    reasons = tuple(_reasons(first, second, names))
    lines = tuple(_lines(first, second, comparable=not reasons))
    if reasons:
        return Comparison("apart", "Not comparable", "", reasons, lines)
    line = lines[0]
    wrong = _wrong(first, second, names)
    sentence = _sentence(line, first, names)
    if line.outcome == "void":
        return Comparison("void", f"{TITLES['void']}: {wrong}", sentence, (), lines)
    return Comparison(line.outcome, _headline(line, names), sentence + (f" {wrong}." if wrong else ""), (), lines)


def _wrong(first: Gathered, second: Gathered, names: tuple[str, str]) -> str:
    """What is wrong with most of the answers of either; empty where nothing is."""
    found = [(who, degenerate_of(run)) for who, run in zip(names, (first, second), strict=True)]
    several = [f"{one.count:,} of {one.of:,} answers of {who} {one.words}" for who, one in found if one is not None]
    return "; ".join(several)


def _reasons(first: Gathered, second: Gathered, names: tuple[str, str]) -> Iterator[str]:
    """Everything that keeps the two from being compared."""
    missing = [who for who, run in zip(names, (first, second), strict=True) if TUNED not in run.scores]
    if missing:
        yield f"{' and '.join(missing)} {'has' if len(missing) == 1 else 'have'} no figures yet"
        return
    if first.task != second.task:
        yield f"the tasks differ: {name(first.task)} and {name(second.task)}"
    shared = _shared(first.scores[TUNED], second.scores[TUNED])
    if not shared:
        yield "they have no metric in common"
    elif not any(key in MEASURES for key in shared):
        yield f"which way {name(shared[0])} is better is not known to this version"
    yield from _other_rows(first, second)


def _other_rows(first: Gathered, second: Gathered) -> Iterator[str]:
    """Why their rows are not the same, or cannot be known to be."""
    rows = first.rows.get(TUNED), second.rows.get(TUNED)
    if rows[0] is not None and rows[1] is not None:
        if aligned(rows[0], rows[1]) is None:
            sizes = f"{len(rows[0].rows):,} and {len(rows[1].rows):,} rows"
            yield f"they were scored on different rows: {sizes}, {shared_rows(rows[0], rows[1]):,} of them in both"
        return
    scores = first.scores[TUNED], second.scores[TUNED]
    if scores[0].split != scores[1].split:
        yield f"one was scored on the {scores[0].split} rows, the other on the {scores[1].split} rows"
    if _files(first) != _files(second):
        yield "a record has no results by row, and the data files differ"
    elif _drawn(first) != _drawn(second):
        yield "a record has no results by row, and the splits were drawn differently"


def _files(run: Gathered) -> set[str]:
    return set(run.data.files.values()) if run.data else set()


def _drawn(run: Gathered) -> tuple[Any, ...]:
    """What decides which rows of the same files are in which split."""
    resolved: dict[str, Any] = run.started[-1].resolved if run.started else {}
    data = resolved.get("data")
    shares = [data.get(key) for key in ("validation", "test", "group")] if isinstance(data, dict) else None
    seed = data.get("seed") if isinstance(data, dict) else None
    return (resolved.get("seed") if seed in (None, "auto") else seed), shares, run.data.rows if run.data else None


def _shared(first: Scores, second: Scores) -> list[str]:
    return [key for key in first.metrics if key in second.metrics]


def _lines(first: Gathered, second: Gathered, *, comparable: bool) -> Iterator[Line]:
    """The metric that chose the weights first, then all others."""
    ours, theirs = (run.scores[TUNED].metrics if TUNED in run.scores else {} for run in (first, second))
    both = [key for key in ours if key in theirs]
    chosen = [key for key in (first.chosen_metric, second.chosen_metric) if key in both and key in MEASURES]
    known = [key for key in both if key in MEASURES]
    void = _void(first, second)
    for key in dict.fromkeys([*chosen, *known, *ours, *theirs, *_undefined(first), *_undefined(second)]):
        mine, other = ours.get(key), theirs.get(key)
        pair = _pair(first, second, key) if comparable else None
        if not comparable or mine is None or other is None or key not in MEASURES:
            yield Line(key, mine, other, None, "apart", (_missing(first, key), _missing(second, key)))
        else:
            outcome = _outcome(key, mine, other, pair)
            yield Line(key, mine, other, pair, "void" if void[outcome] else outcome)


def _void(first: Gathered, second: Gathered) -> dict[Outcome, bool]:
    """Outcome to whether it would call answers better that say nothing, or weigh nothing but such answers."""
    found = [(wrong := degenerate_of(run)) is not None and wrong.void for run in (first, second)]
    return {"first": found[0], "second": found[1], "open": all(found)}


def _undefined(run: Gathered) -> tuple[str, ...]:
    return run.scores[TUNED].undefined if TUNED in run.scores else ()


def _missing(run: Gathered, key: str) -> str:
    return NOT_DEFINED if key in _undefined(run) else NOT_MEASURED


def _pair(first: Gathered, second: Gathered, key: str) -> Paired | None:
    if TUNED not in first.rows or TUNED not in second.rows:
        return None
    ours, theirs = first.rows[TUNED], second.rows[TUNED]
    if _labels(first) != _labels(second):  # places of classes mean different labels
        ours, theirs = _without_classes(ours), _without_classes(theirs)
    return paired(theirs, ours, key, confidence=first.confidence or CONFIDENCE)


def _labels(run: Gathered) -> list[str]:
    return list(run.data.labels) if run.data else []


def _without_classes(rows: RowResults) -> RowResults:
    return replace(rows, expected=(), predicted=())


def _outcome(key: str, first: Measured, second: Measured, pair: Paired | None) -> Outcome:
    if not settled(first, second, pair):
        return "open"
    return "second" if (second.value > first.value) is higher_is_better(key) else "first"


def _headline(line: Line, names: tuple[str, str]) -> str:
    size = gap(line.key, _difference(line))
    size += f" of {name(line.key)}" if size.endswith("points") else f" in {name(line.key)}"
    if line.outcome == "open":
        why = "too little for these rows to tell"
        if (rows := rows_of(line)) < LEAST_ROWS:
            why = f"and {counted(rows, 'rows')} are too few to tell ({LEAST_ROWS} or more can)"
        return f"Not settled: {size} apart, {why}"
    better, other = names if line.outcome == "first" else names[::-1]
    return f"{better} is better than {other} by {size}"


def _sentence(line: Line, run: Gathered, names: tuple[str, str]) -> str:
    if line.first is None or line.second is None:
        return ""
    figures = f"{names[0]} {interval(line.key, line.first)}, {names[1]} {interval(line.key, line.second)}"
    start = f"{name(line.key)}: {figures}, on {counted(rows_of(line), 'rows')}"
    if rows_of(line) < LEAST_ROWS:
        return f"{start}, which are too few for an interval that means anything."
    if line.pair is None:
        how = "do not overlap" if settled(line.first, line.second, None) else "overlap"
        return f"{start}. The records have no results by row for this metric; by their intervals, which {how}."
    level = f"{(run.confidence or CONFIDENCE) * 100:g}%"
    between = ends(line.key, line.pair.difference)
    start += f", the same ones. {names[1]} minus {names[0]}: {difference(line.key, line.pair.difference.value)}"
    start += f", {level} interval {between} (paired bootstrap)"
    if (rows := line.pair.discordant) is None:
        return f"{start}."
    apart = f"only {names[1]} is right on {counted(rows.first, 'rows')}, only {names[0]} on {rows.second:,}"
    return f"{start}; {apart} (McNemar p {chance(rows.p)})."


def rows_of(line: Line) -> int:
    """That both figures are of, at the most."""
    return min((one.n for one in (line.first, line.second) if one is not None), default=0)


def _difference(line: Line) -> float:
    return 0.0 if line.first is None or line.second is None else line.second.value - line.first.value
