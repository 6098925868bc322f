"""What acts in the training against bias: rows that weigh more or less, and answers paired with those of swapped texts.

Which terms are swapped, and training rows that are learned swapped, is `identity`'s; what is measured, `treating`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import KEY as TERMS_KEY
from affina.data.identity.terms import Pair
from affina.data.loading import Loaded
from affina.data.mixing import weights_of
from affina.data.people import KEY as GROUP_KEY
from affina.data.people import ROLE
from affina.data.reweighing import reweighed
from affina.data.rows import Row
from affina.errors import Problem, RecipeError
from affina.recipe.schema import Recipe
from affina.tasks.base import Example, Task
from affina.values import Resolved

REWEIGH: Final = "data.reweigh"
PAIRING: Final = "train.logit_pairing"
CLASSIFICATION: Final = "classification"


def check_evening(recipe: Recipe, loaded: Loaded, *, by_head: bool) -> None:
    """Stop where rows cannot be weighed, or answers not be paired.

    Args:
        recipe: as asked.
        loaded: the rows.
        by_head: whether the model answers by a head.

    Raises:
        RecipeError: naming the key.
    """
    task = loaded.labelling.name if by_head or loaded.labelling.writes else f"{loaded.labelling.name} in words"
    if recipe.data.reweigh:
        if loaded.labelling.name != CLASSIFICATION or not by_head:
            fix = f"leave {REWEIGH} out" + (
                ", or write task.form=head" if loaded.labelling.name == CLASSIFICATION else ""
            )
            raise RecipeError(_unusable(REWEIGH, "one label a row, by a head", f"the task {task}", fix))
        if ROLE not in loaded.columns:
            fix = f"name the column of the groups: {GROUP_KEY}=COLUMN"
            raise RecipeError(_unusable(REWEIGH, "a column of groups of people", "none", fix))
    if recipe.train.logit_pairing and not by_head:
        fix = f"leave {PAIRING} out" + ("" if loaded.labelling.writes else ", or write task.form=head")
        raise RecipeError(_unusable(PAIRING, "a model that answers by a head", f"the task {task}", fix))


def with_row_weights(
    recipe: Recipe, loaded: Loaded, rows: Sequence[Row], examples: Sequence[Example], choices: dict[str, Resolved[Any]]
) -> Sequence[Example]:
    """The training examples with the weights of their rows, where the recipe wants that.

    Args:
        recipe: as asked.
        loaded: how often each file's rows are seen.
        rows: those that are trained on.
        examples: the same.
        choices: gets what the weights are.
    """
    if not recipe.data.reweigh:
        return examples
    found = reweighed(rows, [weight.value for weight in weights_of(rows, loaded.weights)])
    reason = f"of {found.grouped:,} rows with a group: P(group) P(label) / P(group, label) (Kamiran & Calders 2012)"
    if found.empty:
        some = ", ".join(f"{group} with {label}" for group, label in found.empty[:3])
        reason += f"; {len(found.empty)} pairs have no row and stay so: {some}"
    choices[REWEIGH] = Resolved(f"{min(found.weights):.2f} to {max(found.weights):.2f}", reason)
    return [replace(example, weight=weight) for example, weight in zip(examples, found.weights, strict=True)]


def twins_of(task: Task, rows: Sequence[Row], pairs: Sequence[Pair]) -> Mapping[int, Example]:
    """The places of rows with identity terms to the same rows with these swapped."""
    if not pairs:
        return {}
    swapper = Swapper(pairs)
    swapped = {place: twin for place, row in enumerate(rows) if (twin := swapper.row(row)) is not row}
    return dict(zip(swapped, task.encode(list(swapped.values())), strict=True))


def told_of_pairing(recipe: Recipe, rows: Sequence[Row], pairs: Sequence[Pair]) -> dict[str, Resolved[Any]]:
    """How many rows have a twin.

    Raises:
        RecipeError: none has.
    """
    strength = recipe.train.logit_pairing
    if not strength:
        return {}
    count = len(Swapper(pairs).rows(rows)) if pairs else 0
    if not count:
        found = f"none of {len(rows):,} with one of {len(pairs)} pairs"
        fix = f"leave it out, or give terms of your own: {TERMS_KEY}=FILE"
        raise RecipeError(_unusable(PAIRING, "training rows with identity terms", found, fix))
    reason = f"times how far the answers to {count:,} of {len(rows):,} training rows are from those to them swapped"
    return {PAIRING: Resolved(strength, f"{reason}; each such row is read twice")}


def _unusable(key: str, expected: str, found: str, fix: str) -> Problem:
    return Problem(where=f"recipe key {key}", expected=expected, found=found, fix=fix)
