"""What is refused of a file of the recipe's `risks`, whatever is in it: a model or a recipe that it is not for."""

from __future__ import annotations

from typing import Final

from affina.errors import Problem, RecipeError
from affina.models.language import LanguageModel
from affina.pipeline.prepared import Subject
from affina.recipe.schema import Recipe

HOLDS: Final = "a decoder that writes, or an encoder"


def refuse_beside_never(recipe: Recipe, where: str) -> None:
    """Stop where nothing is measured.

    Raises:
        RecipeError: with the key.
    """
    if recipe.risks.measure == "never":
        found, fix = "risks.measure=never beside it", "leave one of the two out"
        raise RecipeError(Problem(where=where, expected="a risk that is measured", found=found, fix=fix))


def unfit(subject: Subject, where: str, expected: str) -> Problem:
    """A model that cannot be asked about a file."""
    how = "writes"
    if not isinstance(subject.model, LanguageModel):
        how = "answers by a head"
    elif subject.model.reads_apart:
        how = "reads with an encoder"
    found = f"a model that {how}, for task={subject.spec.name}"
    fix = "leave it out; what else can be measured of such a model is measured without a file"
    return Problem(where=where, expected=expected, found=found, fix=fix)
