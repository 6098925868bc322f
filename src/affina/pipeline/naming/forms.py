"""How a classification is learned: by a head over the labels, or in words, by the label's name; and the keys for each.

Where the recipe leaves it open a head is taken, unless the model can have none.
"""

from __future__ import annotations

from typing import Any, Final

from affina.data.loading import Loaded
from affina.errors import Problem, RecipeError
from affina.models.files import config_of
from affina.models.kinds import can_classify, can_write
from affina.models.source import Source
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import ClassificationSpec
from affina.values import Resolved

FORM: Final = "task.form"
HEAD: Final = "head"
WORDS: Final = "words"
CLASSIFICATION: Final = "classification"


def form_of(recipe: Recipe, loaded: Loaded, source: Source) -> Resolved[str] | None:
    """How the labels are learned; None for a task that has one way only.

    Raises:
        ModelError: the model's configuration cannot be read.
    """
    if loaded.labelling.name != CLASSIFICATION:
        return None
    asked = asked_form(recipe)
    if asked != AUTO:
        return Resolved(asked, GIVEN)
    config = config_of(source, f"model: {source.reference}")
    if can_classify(config):
        return Resolved(HEAD, "a head over the labels is quicker, and needs fewer rows, than to learn their names")
    if can_write(config):
        kind = "an encoder-decoder" if config.is_encoder_decoder else "of a kind without a head for labels"
        return Resolved(WORDS, f"{config.model_type!r} is {kind}: it learns to write the label's name")
    return Resolved(HEAD, "the usual form")


def asked_form(recipe: Recipe) -> str:
    """What the recipe says."""
    return recipe.task.form if isinstance(recipe.task, ClassificationSpec) else AUTO


def is_a_choice(form: Resolved[str], source: Source) -> bool:
    """Whether the form is worth saying: it was given, or the model could have the other one too."""
    writes = can_write(config_of(source, f"model: {source.reference}"))
    return form.reason == GIVEN or form.value == WORDS or writes


def check_words(recipe: Recipe) -> None:
    """Stop at recipe keys that mean nothing where labels are learned in words.

    Raises:
        RecipeError: naming the keys.
    """
    problems: list[Problem] = []
    task, train = recipe.task, recipe.train
    weights: Any = AUTO if isinstance(task, str) else getattr(task, "class_weights", AUTO)
    if weights == "balanced":
        problems.append(_not_for("task.class_weights", "balanced", "auto or none: the loss is of the names' tokens"))
    if train.head_learning_rate != AUTO:
        found = f"{train.head_learning_rate:g}" if isinstance(train.head_learning_rate, float) else "auto"
        problems.append(_not_for("train.head_learning_rate", found, "auto: there is no head"))
    if train.head_start != AUTO:
        problems.append(_not_for("train.head_start", train.head_start, "auto: there is no head to start"))
    if problems:
        raise RecipeError(*problems)


def _not_for(key: str, found: str, expected: str) -> Problem:
    return Problem(
        where=f"recipe key {key}, with labels learned in words (task.form)",
        expected=expected,
        found=found,
        fix=f"leave {key} out, or write task.form=head with a model that has a head",
    )
