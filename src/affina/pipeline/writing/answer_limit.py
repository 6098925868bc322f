"""How long a text may be that the model writes, and how it is written: `generate`, settled and told.

A text that the model has not ended by then is cut off. How many of the training answers are longer is said, so that
nobody takes a limit for the model's own end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from affina.errors import Problem, RecipeError
from affina.models.language import LanguageModel
from affina.models.writing import HowToWrite
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN, given_or
from affina.recipe.schema import Recipe
from affina.values import Resolved

LEAST_NEW: Final = 16
MOST_NEW: Final = 512
"""New tokens where the recipe does not say, at the least and at the most."""
COVERED: Final = 99
"""Per cent of the training answers that a text may be as long as."""
BEAMS: Final = 4
"""Of an encoder-decoder, where the recipe does not say."""
MOST_NEW_KEY: Final = "generate.max_new_tokens"


def how_to_write(
    recipe: Recipe, model: LanguageModel, answers: Sequence[int], choices: dict[str, Resolved[Any]]
) -> HowToWrite:
    """How texts are written.

    Args:
        recipe: `generate`.
        model: its context, which a decoder shares between question and answer.
        answers: tokens of each training answer, nothing cut; none where rows have no answers.
        choices: gets what was decided.

    Raises:
        RecipeError: texts as long as the model's context, which leave no room for a question.
    """
    asked = recipe.generate
    most = _most_tokens(asked.max_new_tokens, model, answers)
    why = "usual for encoder-decoders" if model.reads_apart else "a decoder writes the likeliest token"
    beams = given_or(asked.beams, Resolved(BEAMS if model.reads_apart else 1, why))
    if answers:
        choices |= {MOST_NEW_KEY: most, "generate.beams": beams}
    return HowToWrite(
        most_tokens=most.value,
        temperature=asked.temperature,
        top_p=asked.top_p,
        beams=beams.value,
        seed=recipe.seed,
    )


def most_new(asked: int | str, model: LanguageModel) -> int:
    """New tokens at the most: as many as are asked for, or what leaves a question half of the model's context.

    Args:
        asked: `generate.max_new_tokens`.
        model: its context.

    Raises:
        RecipeError: texts as long as the model's context, which leave no room for a question.
    """
    limit = model.max_length
    if isinstance(asked, str):
        return MOST_NEW if limit is None else max(1, min(MOST_NEW, limit // 2))
    if limit is not None and asked >= limit:
        raise RecipeError(_no_room(asked, limit, model.source.reference))
    return asked


def _most_tokens(asked: int | str, model: LanguageModel, answers: Sequence[int]) -> Resolved[int]:
    """The limit, with the training answers that are longer."""
    limit, most = model.max_length, most_new(asked, model)
    if not isinstance(asked, str):
        return Resolved(most, GIVEN + _longer(answers, most))
    usual = math.ceil(float(np.percentile(answers, COVERED))) if answers else LEAST_NEW
    value = min(max(usual, LEAST_NEW), most)
    reason = f"{COVERED}% of the training answers have at most {usual:,} tokens"
    if usual > value:
        bound = "longer texts take long to write" if value == MOST_NEW else f"half of the model's {limit:,} tokens"
        reason += f"; at most {value:,} where the recipe does not say: {bound}"
    return Resolved(value, reason + _longer(answers, value))


def _longer(answers: Sequence[int], most: int) -> str:
    longer = sum(tokens > most for tokens in answers)
    return f"; {longer:,} of {len(answers):,} training answers are longer, and such a text is cut off" if longer else ""


def _no_room(asked: int, limit: int, model: str) -> Problem:
    return Problem(
        where=f"recipe key {MOST_NEW_KEY}",
        expected=f"less than the {limit:,} tokens that {model} can have in all: what is asked needs room too",
        found=f"{asked:,}",
        fix=f"write {MOST_NEW_KEY}={max(1, limit // 2)}, or {AUTO}",
    )
