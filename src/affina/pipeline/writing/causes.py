"""Why a tuned model's answers say nothing, as far as a run can tell, and what to try next.

What is wrong with them, says `reporting.degenerate`. The limit of a text, the number of steps and what the loss did
are looked at before the model is blamed. This module measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from affina.models.writing import HowToWrite
from affina.pipeline.prepared import Prepared
from affina.pipeline.writing.answer_limit import COVERED
from affina.recipe.base import AUTO
from affina.reporting.degenerate import Kind
from affina.reporting.formats import counted
from affina.training.control import Outcome

if TYPE_CHECKING:
    from affina.tasks.lessons import Passage

FEW_STEPS: Final = 100
"""Optimizer steps below which that is the first thing to suspect: a rule of thumb, not measured."""
FEW_ROWS: Final = 200
"""Training rows below which a model that writes seldom learns more than a style."""


def of_answers(
    how: HowToWrite, train: Sequence[Passage], *, run: Prepared, outcome: Outcome, kind: Kind
) -> tuple[str, str]:
    """The likely cause of answers that say nothing, and what to try.

    Args:
        how: how texts were written.
        train: the training rows as tokens.
        run: what was trained, and how.
        outcome: how the training ended.
        kind: what is wrong with the answers.
    """
    return (
        (_limit_is_short(how, train, run) if kind == "cut off" else None)
        or _few_steps(run, outcome)
        or (_beams(how) if kind == "empty" else None)
        or _few_rows(len(train), kind)
        or _by_kind(kind)
    )


def _limit_is_short(how: HowToWrite, train: Sequence[Passage], run: Prepared) -> tuple[str, str] | None:
    """A given limit that many of the training answers do not fit in."""
    counts = [sum(passage.learned) for passage in train]
    longer = sum(count > how.most_tokens for count in counts)
    if run.recipe.generate.max_new_tokens == AUTO or 2 * longer <= len(counts):
        return None
    fitting = math.ceil(float(np.percentile(counts, COVERED)))
    return (
        f"{longer:,} of {len(counts):,} training answers are longer than the given "
        f"generate.max_new_tokens={how.most_tokens}",
        f"generate.max_new_tokens={fitting}, or without it",
    )


def _few_steps(run: Prepared, outcome: Outcome) -> tuple[str, str] | None:
    """A training that ended before the model had learned much."""
    steps, growing = outcome.steps, outcome.falling or outcome.improving
    if steps >= FEW_STEPS and not growing:
        return None
    why = ", and the validation loss was still falling" if growing else ""
    longer = f"train.epochs={2 * run.hyper.epochs.value:g}"
    if run.recipe.train.max_steps is not None:
        longer = f"train.max_steps={2 * run.recipe.train.max_steps}, or without it"
    return f"the model was trained for {counted(steps, 'steps')} only{why}", f"{longer}, and more rows"


def _beams(how: HowToWrite) -> tuple[str, str] | None:
    """Beams prefer texts that end at once where a model is unsure (Stahlberg & Byrne 2019)."""
    if how.beams == 1:
        return None
    cause = f"with generate.beams={how.beams} a model that is unsure prefers the text that ends at once"
    return cause, "generate.beams=1, and a longer training or more rows"


def few_rows(count: int) -> str:
    """So many training rows as a cause; empty where there are enough of them."""
    return f"{count:,} training rows are few for a model that writes" if count < FEW_ROWS else ""


def _few_rows(count: int, kind: Kind) -> tuple[str, str] | None:
    cause = few_rows(count)
    return (cause, "more rows, or a model that knows the task") if cause and kind != "cut off" else None


def _by_kind(kind: Kind) -> tuple[str, str]:
    """What such answers usually come from."""
    if kind == "cut off":
        return "the model has not learned to end its answers", "more rows or epochs; affina check marks what is trained"
    if kind == "same":
        return (
            "what is asked does not tell the model what to answer",
            "affina check, which shows the first row as it is read: is what the answer depends on in it?",
        )
    return (
        "the model is unsure of every token, and the likeliest one is always the same (Holtzman et al. 2020)",
        "another train.learning_rate, a larger model, or generate.temperature=0.7, which draws the tokens",
    )
