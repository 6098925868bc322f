"""A step back at the end of a run: where it was worth nothing, that is said, with the likely cause and what to try.

Worth nothing is a tuned model at or below the majority class or the linear probe, on the rows that the report is
about, one that no training step made better, or a given rate at which next to nothing was learnt. This module changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from affina.pipeline.attempts import advised_anew, times_apart
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import is_given, named
from affina.record.journal import Journal
from affina.record.measures import higher_is_better
from affina.record.payloads import STEP_BACK, Event, Scores
from affina.reporting.formats import interval, name
from affina.reporting.verdict import settled
from affina.training.loop import Outcome

FAR: Final = 4.0
"""A given rate this many times above or below the advised one explains a run that was worth nothing."""
LITTLE: Final = 0.98
"""Of the loss before the training: what stays above it has learnt next to nothing."""


def look_back(prepared: Prepared, outcome: Outcome, journal: Journal, scores: Mapping[str, Scores]) -> None:
    """Write down what a run that was worth nothing came to; nothing for any other run.

    Args:
        prepared: the run; its model is put back to the start where a range test is needed.
        outcome: how the training ended.
        journal: gets the event.
        scores: predictor to its scores, the tuned model's among them.
    """
    found = "; ".join(_shortfalls(prepared, outcome, scores))
    if not found:
        return
    cause, following = _cause(prepared, outcome, journal)
    journal.append(Event(step=outcome.steps, name=STEP_BACK, text=f"{found}. Likely cause: {cause}. Next: {following}"))


def _shortfalls(prepared: Prepared, outcome: Outcome, scores: Mapping[str, Scores]) -> Iterator[str]:
    """What the tuned model did not pass, the strongest first."""
    tuned = scores["tuned"]
    key = prepared.hyper.metric.value
    if key not in tuned.metrics:  # a loss in standard units is of the training alone
        key = next(iter(tuned.metrics))
    way = 1 if higher_is_better(key) else -1
    reached = tuned.metrics[key]
    rivals = {who: found.metrics[key] for who, found in scores.items() if who != "tuned" and key in found.metrics}
    for who, figure in sorted(rivals.items(), key=lambda item: -way * item[1].value):
        if way * (reached.value - figure.value) <= 0:
            apart = "worse than" if settled(reached, figure, None) else "not better than"
            level = "level with" if reached.value == figure.value else apart
            yield (
                f"the tuned model is {level} the {name(who)}: {name(key)} {interval(key, reached)} against "
                f"{interval(key, figure)} on {tuned.split}"
            )
    if outcome.best_step == 0:
        yield "no training step made the model better on the validation rows; it was exported as it started"
    elif is_given(prepared) and outcome.kept_loss > LITTLE * outcome.start_loss:
        rose = outcome.kept_loss > outcome.start_loss / LITTLE
        what = (
            "made the loss on the validation rows worse" if rose else "changed next to nothing on the validation rows"
        )
        yield f"the training {what}: a loss of {outcome.kept_loss:.3f} after {outcome.start_loss:.3f} at the start"


def _cause(prepared: Prepared, outcome: Outcome, journal: Journal) -> tuple[str, str]:
    """The likely cause, and what to try next."""
    return _rate_is_off(prepared, journal) or _ended_early(prepared, outcome) or prepared.subject.doubts(prepared)


def _rate_is_off(prepared: Prepared, journal: Journal) -> tuple[str, str] | None:
    """A given rate far from what a range test on the untouched model finds."""
    if not is_given(prepared):
        return None
    rate, advice = prepared.hyper.learning_rate.value, advised_anew(prepared, journal)
    if advice is None or times_apart(advice[0], rate) < FAR:
        return None
    better, whence = advice
    what = "so small that next to nothing was learnt" if rate < better else "so large that it undid what was learnt"
    return f"the given {named(prepared, rate)} is {what}", f"{named(prepared, better)}, which {whence}"


def _ended_early(prepared: Prepared, outcome: Outcome) -> tuple[str, str] | None:
    """The last evaluation was better than all before it, or its loss was, and only the plan's end stopped the run."""
    if not (outcome.improving or outcome.falling) or outcome.best_step == 0 or outcome.stopped == "early stopping":
        return None
    longer = f"train.epochs={2 * prepared.hyper.epochs.value:g}"
    if prepared.recipe.train.max_steps is not None:
        longer = f"train.max_steps={2 * prepared.recipe.train.max_steps}, or without it"
    what = "the model was still getting better" if outcome.improving else "the validation loss was still falling"
    return f"{what} when the run ended", longer
