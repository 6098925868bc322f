"""The three risks of a fine-tuning in the reader's words: verdict, evidence, cost, and what was not measured and why.

The page, the card, the terminal and `report.json` say the same, made here from the record alone. Nothing is called fine
that was not measured. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from affina.record.figures import LEAST_ROWS
from affina.record.risks import (
    DIFFERENCE,
    PROBED,
    REPRODUCED,
    RISKS,
    TRAINING_ROWS,
    UNTOUCHED,
    VALIDATION_ROWS,
    Figure,
    Outcome,
    Probed,
    Risk,
)
from affina.reporting.calibration import turned
from affina.reporting.formats import budget, capital, difference, ends, interval, listed, metric, name
from affina.reporting.gap import Gap
from affina.reporting.gathered import Gathered
from affina.reporting.risk_words import BESIDE_BUDGET, NO_MORE, OF_METRIC, OF_RISK, SENTENCES, TONES, WORDS
from affina.reporting.unasked import IN_ITS_TASK, bias_unasked, can_be_asked

RANKED: Final[tuple[Outcome, ...]] = ("flagged", "open", "few", "within", "unmeasured")
"""Where a risk has several probes, the first of these that one of them came to is what is said of it."""
MEMORISED: Final = Gap("Memorising", "whether it gives away texts that it was trained on, word for word")
SKILLS: Final[Mapping[str, str]] = {
    "pairs_lost": "minimal pairs (risks.forgetting.pairs)",
    "choices_lost": "multiple choice (risks.forgetting.choices)",
    "earlier_lost": "an earlier task's labelled rows (risks.forgetting.earlier)",
}
"""What could be measured of skills from before, by the metric that decides."""
WITH_BASE: Final = IN_ITS_TASK | {"exposure"}
"""Those of which the untouched model's figure stands beside the tuned one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a run's record says of one risk.

    Attributes:
        risk: which.
        outcome: what its probes came to.
        word: that, in a few words.
        sentences: what was found, one for each probe that was measured, and what a reader should know beside it.
        probes: those that were measured.
        lacking: probes that there were, and that could not measure.
        gaps: what was not measured, these first.
        seconds: that the probes took.
    """

    risk: Risk
    outcome: Outcome
    word: str
    sentences: tuple[str, ...]
    probes: tuple[Probed, ...]
    lacking: tuple[Gap, ...]
    gaps: tuple[Gap, ...]
    seconds: float

    @property
    def title(self) -> str:
        """Its name, as a heading."""
        return capital(self.risk)

    @property
    def tone(self) -> str:
        """Of the colours."""
        return TONES[self.outcome]

    @property
    def in_short(self) -> str:
        """One line: the word and the first sentence, or why nothing was measured."""
        return f"{self.word}: {self.sentences[0] if self.probes else self.gaps[0].why}"


def risks_of(run: Gathered) -> tuple[Judged, ...]:
    """All three, in order."""
    return tuple(_judged(run, risk) for risk in RISKS)


def _judged(run: Gathered, risk: Risk) -> Judged:
    probed = [line for line in run.probed if line.risk == risk]
    measured = tuple(line for line in probed if line.outcome != "unmeasured")
    outcome: Outcome = next((one for one in RANKED if any(line.outcome == one for line in measured)), "unmeasured")
    ranked = sorted(measured, key=lambda line: RANKED.index(line.outcome))
    first = next((line.figures[0].metric for line in ranked if line.figures), "")
    said = [_sentence(line) for line in ranked]
    over_sure = turned(run) if risk == "overfitting" else ""
    lacking = tuple(Gap(capital(line.probe), line.why) for line in probed if line.outcome == "unmeasured")
    return Judged(
        risk=risk,
        outcome=outcome,
        word=_word(risk, outcome, first, budgeted=any(line.is_budget for line in measured)),
        sentences=tuple([*said, over_sure] if over_sure else said),
        probes=measured,
        lacking=lacking,
        gaps=(*lacking, *_gaps(run, risk, probed)),
        seconds=sum(line.seconds for line in probed),
    )


def _word(risk: Risk, outcome: Outcome, first: str, *, budgeted: bool) -> str:
    if outcome in BESIDE_BUDGET and budgeted:
        return BESIDE_BUDGET[outcome]
    return OF_METRIC.get((first, outcome)) or OF_RISK.get((risk, outcome)) or WORDS[outcome]


def _gaps(run: Gathered, risk: Risk, probed: list[Probed]) -> Iterator[Gap]:
    metrics = {line.figures[0].metric for line in probed if line.figures}
    if risk == "bias":
        yield from bias_unasked(run, {line.probe for line in probed}, metrics)
        return
    if not probed:
        why = "the record holds no probe of it" if run.finished else "the run has not come to it"
        yield Gap(capital(risk), why)
    if risk == "forgetting":
        left = [what for key, what in SKILLS.items() if key not in metrics and can_be_asked(run, key)]
        if left:
            yield Gap("Skills from before", listed(left))
    elif run.writes and not any(line.probe == REPRODUCED for line in probed):
        yield MEMORISED


def _sentence(line: Probed) -> str:
    """What a probe found: its figure, what that is held against, and what it says."""
    if line.why:
        return line.why
    first = line.figures[0]
    figure = interval(first.metric, first.found)
    said = SENTENCES.get(first.metric, "{name} {figure}")
    said = said if first.found.value > 0 else NO_MORE.get(first.metric, said)
    told = said.format(probe=line.probe, name=name(first.metric), figure=figure, both=_both(line))
    return f"{told}{_against(line)}{f'; {line.said}' if line.said else ''}"


def _both(line: Probed) -> str:
    """The metric on both sides, where the probe has two."""
    of = {figure.of: figure for figure in reversed(line.figures)}
    if line.figures[0].metric in WITH_BASE and UNTOUCHED in of:
        mine = {figure.of: figure for figure in line.figures if figure.metric == line.figures[0].metric}
        before = f"{metric(line.figures[0].metric, mine[UNTOUCHED].found.value)} of the untouched model"
        if PROBED not in mine:
            return f" ({before})"
        return f" (by a linear probe {metric(line.figures[0].metric, mine[PROBED].found.value)}, and {before})"
    if not {TRAINING_ROWS, VALIDATION_ROWS} <= of.keys():
        return ""
    train, other = of[TRAINING_ROWS], of[VALIDATION_ROWS].found.value
    key = train.metric
    return f" ({name(key)} {metric(key, train.found.value)} there, {metric(key, other)} on validation rows)"


def signed(figure: Figure) -> str:
    """A figure with its interval; a difference has its sign."""
    if figure.of != DIFFERENCE:
        return interval(figure.metric, figure.found)
    return f"{difference(figure.metric, figure.found.value)} ({ends(figure.metric, figure.found)})"


def _against(line: Probed) -> str:
    if line.outcome == "few":
        return f"; {line.figures[0].found.n:,} are too few to tell ({LEAST_ROWS} or more can)"
    kind = "budget" if line.is_budget else "limit"
    return "" if line.limit is None else f"; the {kind} is {limit_of(line)}"


def limit_of(line: Probed) -> str:
    """What the first figure is held against, a budget in the unit in which budgets are written; empty without one."""
    if line.limit is None:
        return ""
    key = line.figures[0].metric
    return budget(line.risk, line.limit, key) if line.is_budget else metric(key, line.limit)
