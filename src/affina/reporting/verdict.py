"""The page's first sentence: is the tuned model better than what it had to beat, by how much, and how sure is that?

Where the record has both predictors' result for every row, the interval of their difference on the same rows settles
it, with McNemar's test. Otherwise two predictors are told apart where their intervals do not overlap, which is
stricter: it may leave a real gain open, and seldom claims one that is none. Few rows settle nothing, and answers that
say nothing are called that whatever their figure. This module measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from affina.record.figures import LEAST_ROWS, Measured
from affina.record.measures import MEASURES, OF_TEXTS, direction
from affina.record.payloads import Scores
from affina.record.row_results import RowResults
from affina.reporting.degenerate import Degenerate, degenerate_of
from affina.reporting.formats import brief, capital, chance, counted, ends, gap, interval, name
from affina.reporting.gathered import Gathered
from affina.reporting.paired import CONFIDENCE, Paired, against

Outcome = Literal["better", "open", "few", "worse", "void", "alone"]
TITLES: Final[Mapping[Outcome, str]] = {
    "better": "Better",
    "open": "Not settled",
    "few": "Too few rows to tell",
    "worse": "Worse",
    "void": "Degenerate answers",
    "alone": "Nothing to compare with",
}
NEEDS: Final = f"a verdict needs {LEAST_ROWS} rows or more; data.test names or holds out more"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the run came to.

    Attributes:
        metric: the metric it is about.
        tuned: the tuned model's figure.
        baselines: predictor to its figure, the strongest first.
        outcome: better, open (the rows do not settle it), few (fewer rows than a verdict needs), worse, void (the
            tuned model's answers say nothing), or alone where there is nothing to compare with.
        sentence: the same for the reader.
        pair: the tuned model against the strongest baseline, row by row; None where the record has no rows.
        degenerate: what is wrong with most of the tuned model's answers.
    """

    metric: str
    tuned: Measured
    baselines: dict[str, Measured]
    outcome: Outcome
    sentence: str
    pair: Paired | None = None
    degenerate: Degenerate | None = None

    @property
    def title(self) -> str:
        """The outcome in a word or two."""
        return TITLES[self.outcome]

    @property
    def rival(self) -> str | None:
        """The strongest baseline."""
        return next(iter(self.baselines), None)

    @property
    def difference(self) -> float | None:
        """The tuned model's figure minus the strongest baseline's, on the rows that both were scored on."""
        return None if self.rival is None else _ahead(self.tuned, self.baselines[self.rival], self.pair)


def verdict(
    scores: Mapping[str, Scores],
    *,
    chosen_metric: str | None,
    rows: Mapping[str, RowResults] | None = None,
    confidence: float | None = None,
    answers: Degenerate | None = None,
) -> Verdict | None:
    """Compare the tuned model with the strongest baseline; None before the tuned model was measured.

    Args:
        scores: predictor to its scores.
        chosen_metric: the metric that chose the best checkpoint; used where the tuned model has it, else its first;
            texts are compared by chrF.
        rows: predictor to its row results, where there are any.
        confidence: the level of the intervals.
        answers: what is wrong with most of the tuned model's answers, where they are texts.
    """
    if "tuned" not in scores or not scores["tuned"].metrics:
        return None
    metrics = scores["tuned"].metrics
    key = telling(metrics, chosen_metric)
    way = direction(key)
    # Only figures of the same rows can be compared.
    others = {
        who: other.metrics[key]
        for who, other in scores.items()
        if who != "tuned" and key in other.metrics and other.split == scores["tuned"].split
    }
    ranked = dict(sorted(others.items(), key=lambda item: -way * item[1].value))
    reason = _incomparable(key, metrics[key], ranked)
    if answers is not None and answers.void:
        reason = _void(key, metrics[key], ranked, answers)
        return Verdict(key, metrics[key], ranked, "void", reason, degenerate=answers)
    if reason:
        return Verdict(key, metrics[key], ranked, "alone", reason, degenerate=answers)
    pair = pair_of(rows or {}, next(iter(ranked)), key, confidence=confidence or CONFIDENCE)
    outcome = _outcome(metrics[key], next(iter(ranked.values())), way=way, pair=pair)
    sentence = _sentence(key, metrics[key], ranked, outcome, pair=pair)
    sentence += f" But {answers.told}." if answers is not None else ""
    return Verdict(key, metrics[key], ranked, outcome, sentence, pair, answers)


def verdict_of(run: Gathered) -> Verdict | None:
    """The verdict on a run, from all that its record holds."""
    return verdict(
        run.scores,
        chosen_metric=run.chosen_metric,
        rows=run.rows,
        confidence=run.confidence,
        answers=degenerate_of(run),
    )


def telling(metrics: Mapping[str, Measured], chosen_metric: str | None) -> str:
    """The metric that a predictor is judged by: the one that chose the weights if it has it, of texts chrF."""
    if OF_TEXTS in metrics:
        return OF_TEXTS
    return chosen_metric if chosen_metric is not None and chosen_metric in metrics else next(iter(metrics))


def settled(first: Measured, second: Measured, pair: Paired | None) -> bool:
    """Whether the rows tell two figures of one metric apart; fewer than `LEAST_ROWS` never do."""
    if pair is not None:
        return pair.settled
    return min(first.n, second.n) >= LEAST_ROWS and (first.low > second.high or first.high < second.low)


def narrow(rows: int) -> str:
    """What to say beside intervals over so many rows: nothing, or that these are too narrow."""
    return "" if rows >= LEAST_ROWS else f", which is too narrow on fewer than {LEAST_ROWS} rows"


def _incomparable(key: str, tuned: Measured, ranked: Mapping[str, Measured]) -> str:
    """Why there is nothing to compare the tuned model with; empty where there is."""
    if not ranked:
        return "There is no baseline on these rows to compare with; leave evaluate.baselines at true to have one."
    if key not in MEASURES:
        return f"Which way {name(key)} is better is not known to this version, so the figures are not ranked."
    if not all(math.isfinite(figure.value) for figure in (tuned, *ranked.values())):
        return f"A figure for {name(key)} is not a number, so the tuned model cannot be compared with the baselines."
    return ""


def pair_of(rows: Mapping[str, RowResults], rival: str, key: str, *, confidence: float) -> Paired | None:
    """The tuned model against another predictor on the same rows; None where those were not recorded."""
    if "tuned" not in rows or rival not in rows or rows[rival].split != rows["tuned"].split:
        return None
    return against(rows["tuned"], rows[rival], key, confidence=confidence)


def _outcome(tuned: Measured, best: Measured, *, way: int, pair: Paired | None) -> Outcome:
    if min(tuned.n, best.n) < LEAST_ROWS:
        return "few"
    if not settled(tuned, best, pair):
        return "open"
    return "better" if way * _ahead(tuned, best, pair) > 0 else "worse"


def _ahead(tuned: Measured, best: Measured, pair: Paired | None) -> float:
    """How far the tuned model's figure is above; where the other was scored on fewer rows, on these."""
    return pair.difference.value if pair and best.n < tuned.n else tuned.value - best.value


def _void(key: str, tuned: Measured, ranked: Mapping[str, Measured], answers: Degenerate) -> str:
    """What answers come to that say nothing."""
    who = next(iter(ranked), None)
    beside = f" beside {interval(key, ranked[who])} of the {name(who)}" if who is not None else ""
    return f"{TITLES['void']}: {answers.told}. The {name(key)} of {interval(key, tuned)}{beside} is a gain in nothing."


def _sentence(
    key: str, tuned: Measured, ranked: Mapping[str, Measured], outcome: Outcome, *, pair: Paired | None
) -> str:
    who, best = next(iter(ranked.items()))
    rival = f"the {name(who)} at {interval(key, best)}"
    ahead = _ahead(tuned, best, pair)
    size = gap(key, ahead)
    side = "above" if ahead > 0 else "below"
    rows = min(tuned.n, best.n)
    if outcome == "few":
        where = f"{size} {side}" if ahead else "level with"
        return (
            f"{TITLES[outcome]}: {name(key)} is {where} {rival}, but on {counted(rows, 'rows')}; a verdict needs "
            f"{LEAST_ROWS} or more. Name or hold out more rows with data.test."
        )
    how = f"the difference on the same {rows:,} rows is {ends(key, pair.difference)}" if pair else ""
    if pair and pair.leaves_out_zero and pair.discordant and outcome == "open":
        how += f" (but McNemar p {chance(pair.discordant.p)})"
    if outcome == "open":
        where = f"{size} {side}" if ahead else "level with"
        return (
            f"{TITLES[outcome]}: {name(key)} is {where} {rival}, and {how or 'the intervals overlap'}. "
            f"{rows:,} rows cannot tell the two apart; more rows in data.test can."
        )
    how = how or "the intervals do not overlap"
    return f"{TITLES[outcome]}: {name(key)} is {size} {side} the strongest baseline, {rival}, and {how}."


def headline(found: Verdict) -> str:
    """The verdict as a heading: `Better than the linear probe by 9.0 points of accuracy`."""
    if found.outcome == "void" and found.degenerate is not None:
        return f"{found.title}: {found.degenerate.told}"
    if found.outcome == "alone" or found.rival is None or found.difference is None:
        return f"{capital(name(found.metric))} {interval(found.metric, found.tuned)}"
    rival, size = f"the {brief(found.rival)}", gap(found.metric, found.difference)
    size += f" of {name(found.metric)}" if size.endswith("points") else f" in {name(found.metric)}"
    if found.outcome not in ("open", "few"):
        return f"{found.title} than {rival} by {size}"
    side = "above" if found.difference > 0 else "below"
    if not found.difference:
        return f"Level with {rival} on these rows"
    return f"{capital(size)} {side} {rival}: too little for these rows to tell"
