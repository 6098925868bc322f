"""The page's first sentence: is the tuned model better than what it had to beat, and do the rows settle it?

Two predictors are told apart where their intervals do not overlap, which is stricter than a paired test on the same
rows: it may leave a real gain open, and seldom claims one that is none. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from affina.record.measures import SHARES, higher_is_better
from affina.record.payloads import Measured, Scores
from affina.reporting.formats import interval, metric, name


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the run came to.

    Attributes:
        metric: the metric it is about.
        tuned: the tuned model's figure.
        baselines: predictor to its figure, the strongest first.
        outcome: better, open (the rows do not settle it), worse, or alone where there is nothing to compare with.
        sentence: the same for the reader.
    """

    metric: str
    tuned: Measured
    baselines: dict[str, Measured]
    outcome: Literal["better", "open", "worse", "alone"]
    sentence: str


def verdict(scores: Mapping[str, Scores], *, chosen_metric: str | None) -> Verdict | None:
    """Compare the tuned model with the strongest baseline; None before the tuned model was measured.

    Args:
        scores: predictor to its scores.
        chosen_metric: the metric that chose the best checkpoint; used where the tuned model has it, else its first.
    """
    if "tuned" not in scores or not scores["tuned"].metrics:
        return None
    metrics = scores["tuned"].metrics
    key = chosen_metric if chosen_metric in metrics else next(iter(metrics))
    sign = 1 if higher_is_better(key) else -1
    # Only figures of the same rows can be compared.
    others = {
        who: other.metrics[key]
        for who, other in scores.items()
        if who != "tuned" and key in other.metrics and other.split == scores["tuned"].split
    }
    ranked = dict(sorted(others.items(), key=lambda item: -sign * item[1].value))
    if not ranked:
        sentence = "There is no baseline on these rows to compare with; leave evaluate.baselines at true to have one."
        return Verdict(key, metrics[key], {}, "alone", sentence)
    outcome = _outcome(metrics[key], next(iter(ranked.values())), sign=sign)
    return Verdict(key, metrics[key], ranked, outcome, _sentence(key, metrics[key], ranked, outcome))


def _outcome(tuned: Measured, best: Measured, *, sign: int) -> Literal["better", "open", "worse"]:
    apart = tuned.low > best.high or tuned.high < best.low
    if not apart:
        return "open"
    return "better" if sign * (tuned.value - best.value) > 0 else "worse"


def _sentence(key: str, tuned: Measured, ranked: Mapping[str, Measured], outcome: str) -> str:
    who, best = next(iter(ranked.items()))
    rival = f"the {name(who)} at {interval(key, best)}"
    gap = _gap(key, abs(tuned.value - best.value))
    side = "above" if tuned.value > best.value else "below"
    if outcome == "open":
        where = f"{gap} {side}" if tuned.value != best.value else "level with"
        return (
            f"Not settled: {name(key)} is {where} {rival}, and the intervals overlap. "
            f"{tuned.n:,} rows cannot tell the two apart; more rows in data.test can."
        )
    lead = "Better" if outcome == "better" else "Worse"
    return f"{lead}: {name(key)} is {gap} {side} the strongest baseline, {rival}, and the intervals do not overlap."


def _gap(key: str, difference: float) -> str:
    return f"{100 * difference:.1f} points" if key in SHARES else metric(key, difference)
