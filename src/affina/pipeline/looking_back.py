"""A step back at the end of a run: where it was worth nothing, that is said, with the likely cause and what to try.

Worth nothing is a tuned model at or below a baseline on the rows that the report is about, by the metric of the
verdict; one that no training step made better, or whose answers say nothing; or a training at which next to nothing
was learnt. This module changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from affina.evaluation.language import UNFAMILIAR
from affina.pipeline.advice import CLOSE, FAR, body_off, head_off, is_first
from affina.pipeline.attempts import advised_anew
from affina.pipeline.head_alone import sees_less
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import is_any_given
from affina.pipeline.results import Seen
from affina.record.figures import Measured
from affina.record.journal import Journal
from affina.record.measures import best_there_is, direction
from affina.record.payloads import STEP_BACK, Event, Scores
from affina.record.row_results import RowResults
from affina.reporting.degenerate import Degenerate
from affina.reporting.formats import interval, metric, name
from affina.reporting.verdict import pair_of, settled, telling
from affina.training.control import Outcome

LITTLE: Final = 0.98
"""Of the loss before the training: what stays above it has learnt next to nothing."""
NEARLY: Final = 0.9
"""Of the best there is: from here on a baseline whose interval reaches that leaves no room for a gain."""
LESS: Final = (
    "a look at the labels, if many are doubtful (affina check --labels); more rows; or less change: fewer steps, or"
    " method=lora"
)
"""What to try where the training rows, or the noise in their labels, were learned by heart."""
UNTRAINED: Final = 0.9
"""Of the loss of guessing among all tokens: a model that was trained on any language is far below it on another."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What every predictor reached on the rows that the report is about, the tuned model's among them, by name.

    Attributes:
        scores: in all.
        rows: row by row, where that was recorded.
        wrong: what is wrong with most of the texts that the tuned model wrote.
    """

    scores: Mapping[str, Scores]
    rows: Mapping[str, RowResults]
    wrong: Degenerate | None = None


def look_back(prepared: Prepared, outcome: Outcome, journal: Journal, reached: Reached) -> None:
    """Write down what a run that was worth nothing came to; nothing for any other run.

    Args:
        prepared: the run; its model is put back to the start where a range test is needed.
        outcome: how the training ended.
        journal: gets the event.
        reached: what was measured.
    """
    found = list(_shortfalls(prepared, outcome, reached))
    if not found and not _ran_away(prepared, outcome):
        return
    full = _no_room(prepared, outcome, reached)
    rate = _rate_to_blame(prepared, outcome, journal, full)
    if rate is not None and _ran_away(prepared, outcome):
        found.append("the training ran away, and was turned back to go on at lower rates")
    if not found:
        return
    known = full or sees_less(prepared, reached.scores, reached.rows)
    cause, following = _cause(prepared, Seen(outcome, reached.wrong), rate, known)
    said = f"{'; '.join(found)}. Likely cause: {cause}. Next: {following}"
    journal.append(Event(step=outcome.steps, name=STEP_BACK, text=said))


def _shortfalls(prepared: Prepared, outcome: Outcome, found: Reached) -> Iterator[str]:
    """What the tuned model did not pass, the strongest first; what the rows settle is judged as the verdict does."""
    tuned = found.scores["tuned"]
    if found.wrong is not None:
        yield f"{found.wrong.told} on {tuned.split}"
    key = telling(tuned.metrics, prepared.hyper.metric.value)
    way = direction(key)
    reached = tuned.metrics[key]
    others = {who: scored.metrics[key] for who, scored in found.scores.items() if key in scored.metrics}
    for who, figure in sorted(others.items(), key=lambda item: -way * item[1].value):
        if who != "tuned" and way * (reached.value - figure.value) <= 0:
            pair = pair_of(found.rows, who, key, confidence=prepared.recipe.evaluate.confidence)
            apart = "worse than" if settled(reached, figure, pair) else "not better than"
            level = "level with" if reached.value == figure.value else apart
            yield (
                f"the tuned model is {level} the {name(who)}: {name(key)} {interval(key, reached)} against "
                f"{interval(key, figure)} on {tuned.split}"
            )
    if outcome.best_step == 0:
        yield "no training step made the model better on the validation rows; it was exported as it started"
    elif (is_any_given(prepared) or not prepared.subject.has_new_head) and _stood_still(outcome):
        rose = outcome.kept_loss > outcome.start_loss / LITTLE
        what = (
            "made the loss on the validation rows worse" if rose else "changed next to nothing on the validation rows"
        )
        yield f"the training {what}: a loss of {outcome.kept_loss:.3f} after {outcome.start_loss:.3f} at the start"


def _stood_still(outcome: Outcome) -> bool:
    """Whether the loss on the validation rows is next to what it was before the training, or above."""
    return outcome.kept_loss > LITTLE * outcome.start_loss


def _no_room(prepared: Prepared, outcome: Outcome, found: Reached) -> tuple[str, str] | None:
    """The strongest baseline, or the model as it started, is as good as these rows can tell: nothing is left to gain.

    A tuned model that says nothing, or that is worse by more than chance, has another cause.
    """
    tuned = found.scores["tuned"]
    chosen = telling(tuned.metrics, prepared.hyper.metric.value)
    key = "r2" if chosen in ("rmse", "mae") and "r2" in tuned.metrics else chosen
    reached, way = tuned.metrics[key], direction(key)
    others = {who: one.metrics[key] for who, one in found.scores.items() if who != "tuned" and key in one.metrics}
    rival = max(others, key=lambda who: way * others[who].value, default=None)
    who, figure = "the model as it started", reached
    if rival is not None and _is_full(key, others[rival]):
        who, figure = f"the {name(rival)}", others[rival]
        pair = pair_of(found.rows, rival, key, confidence=prepared.recipe.evaluate.confidence)
        if way * (reached.value - figure.value) < 0 and settled(reached, figure, pair):
            return None
    elif outcome.best_step or not _is_full(key, reached):
        return None
    if found.wrong is not None:
        return None
    little = "nothing" if metric(key, figure.value) == metric(key, best_there_is(key)) else "next to nothing"
    return (
        f"{who} leaves {little} to gain on these rows, with {name(key)} {interval(key, figure)} on {tuned.split}",
        f"{who}, which costs less; or harder rows, where a gain can be seen (data.train and data.test)",
    )


def _is_full(key: str, figure: Measured) -> bool:
    """Whether a figure is near the best there is, and its interval reaches that as far as it is written."""
    best = best_there_is(key)
    end = figure.high if direction(key) > 0 else figure.low
    return metric(key, end) == metric(key, best) and abs(best - figure.value) <= (1 - NEARLY) * max(best, 1.0)


def _cause(
    prepared: Prepared, seen: Seen, rate: tuple[str, str] | None, known: tuple[str, str] | None = None
) -> tuple[str, str]:
    """The likely cause, and what to try next.

    Args:
        prepared: the run.
        seen: how it ended.
        rate: that a rate is to blame, where it is so.
        known: that there was nothing to gain, or that the head saw too little, where it is so.
    """
    untrained = _untrained(prepared, seen.outcome)
    if rate is not None and untrained is not None:
        return f"{rate[0]}; and {untrained[0]}", f"{rate[1]}; and {untrained[1]}"
    return (
        rate
        or known
        or untrained
        or _foreign(prepared)
        or (None if seen.wrong is None else prepared.subject.doubts(prepared, seen))
        or _by_heart(prepared, seen.outcome)
        or _ended_early(prepared, seen.outcome)
        or prepared.subject.doubts(prepared, seen)
    )


def _untrained(prepared: Prepared, outcome: Outcome) -> tuple[str, str] | None:
    """A language model that began no better than guessing among all its tokens: its weights were never trained."""
    if prepared.subject.has_new_head or not math.isfinite(outcome.start_loss):
        return None
    model = prepared.subject.model
    tokens = model.module.config.get_text_config(decoder=True).vocab_size
    if outcome.start_loss < UNTRAINED * math.log(tokens):
        return None
    guess = f"a loss of {outcome.start_loss:.2f} at the start, where guessing among {tokens:,} tokens has"
    return (
        f"the weights of {model.source.reference} seem never to have been trained: {guess} {math.log(tokens):.2f}",
        "a model that was pre-trained (model=...); fine-tuning cannot make up for that",
    )


def _foreign(prepared: Prepared) -> tuple[str, str] | None:
    """The audit says that the model was not made for the language of the rows: no other cause is likelier then."""
    strange = next((finding for finding in prepared.findings if finding.name == UNFAMILIAR), None)
    return None if strange is None else (strange.meaning.partition(":")[0], strange.advice)


def _ran_away(prepared: Prepared, outcome: Outcome) -> bool:
    """Whether the guard turned a training back that had a given rate."""
    return outcome.rewinds > 0 and is_first(prepared) and is_any_given(prepared)


def _rate_to_blame(
    prepared: Prepared, outcome: Outcome, journal: Journal, full: tuple[str, str] | None
) -> tuple[str, str] | None:
    """That a rate is to blame, and what to write; where it may be, a range test looks.

    What leaves nothing to gain goes first, but before a given rate with which no step made the model better, nothing
    fell, or the training ran away; weights that were never trained before a rate of ours.
    """
    bad = outcome.best_step == 0 or _stood_still(outcome) or _ran_away(prepared, outcome)
    if is_any_given(prepared):
        return _rate_is_off(prepared, outcome, journal) if bad or full is None else None
    return None if full or _untrained(prepared, outcome) else _rate_is_off(prepared, outcome, journal)


def _rate_is_off(prepared: Prepared, outcome: Outcome, journal: Journal) -> tuple[str, str] | None:
    """A rate far from what a range test on the untouched model finds: a given one, or one with which nothing fell."""
    if not is_any_given(prepared) and (prepared.subject.has_new_head or not _stood_still(outcome)):
        return None
    advice = advised_anew(prepared, journal)
    if advice is None:
        return None
    ran_away = _ran_away(prepared, outcome)
    body = body_off(prepared, advice, by=CLOSE if ran_away else FAR)
    head = head_off(prepared, prepared.hyper.learning_rate.value if body is None else advice.rate)
    found = [off for off in (head, body) if off is not None and not (ran_away and off.is_low)]
    if not found:
        return None
    cause = "; ".join(
        f"{off.given} is so {'small that next to nothing was' if off.is_low else 'large that it undid what was'} learnt"
        for off in found
    )
    return cause, " ".join(off.better for off in found) + f", which {found[-1].whence}"


def _by_heart(prepared: Prepared, outcome: Outcome) -> tuple[str, str] | None:
    """The weights that are kept foretell validation rows worse than before any training."""
    if outcome.best_step == 0 or not prepared.subject.has_new_head or not outcome.kept_loss > outcome.start_loss:
        return None
    lost = f"a loss of {outcome.kept_loss:.3f} on the validation rows, {outcome.start_loss:.3f} before any training"
    return f"the model is sure and wrong on rows that it was not trained on: {lost}", LESS


def _ended_early(prepared: Prepared, outcome: Outcome) -> tuple[str, str] | None:
    """The last evaluation was better than all before it, or its loss was, and only the plan's end stopped the run."""
    if not (outcome.falling or (outcome.improving and outcome.best_step)) or outcome.stopped == "early stopping":
        return None
    longer = f"train.epochs={2 * prepared.hyper.epochs.value:g}"
    if prepared.recipe.train.max_steps is not None:
        longer = f"train.max_steps={2 * prepared.recipe.train.max_steps}, or without it"
    what = "the model was still getting better" if outcome.improving else "the validation loss was still falling"
    return f"{what} when the run ended", longer
