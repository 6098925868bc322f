"""Whom a run's rows are about: its identity terms, training rows with them swapped, and what the audit says of both.

How the trained model treats them is `treating`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from affina.data.audit.scan import hash_of
from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import KEY, Pair, terms_for
from affina.data.loading import Loaded
from affina.data.people import ROLE
from affina.data.rows import Row
from affina.errors import Problem, RecipeError
from affina.evaluation.associations import look_at_groups, look_at_terms
from affina.evaluation.language import language_of
from affina.recipe.schema import Recipe
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.values import Resolved

CLASSIFICATION: Final = "classification"
SWAP: Final = "data.swap_terms"
Looked = tuple[Audited, tuple[Finding, ...]]


def terms_of(recipe: Recipe, loaded: Loaded, choices: dict[str, Resolved[Any]]) -> tuple[Pair, ...]:
    """The identity terms that are swapped; none where nothing is.

    Args:
        recipe: as asked.
        loaded: the rows.
        choices: gets what was chosen.

    Raises:
        RecipeError: terms are given where they mean nothing, or cannot be read.
    """
    own, never = recipe.risks.bias.terms, recipe.risks.measure == "never"
    task = loaded.labelling.name
    if recipe.data.swap_terms and loaded.labelling.writes:
        fix = "leave it out; texts that are to be written would have to be swapped as well"
        raise RecipeError(_unusable(SWAP, f"the task {task}", fix, expected="a task with labels or a number"))
    trained = recipe.data.swap_terms or recipe.train.logit_pairing
    if not trained and (never or task != CLASSIFICATION):
        if own is None:
            return ()
        found = "risks.measure=never beside it" if never else f"the task {task}"
        raise RecipeError(_unusable(f"{KEY} ({own})", found, "leave one of the two out" if never else "leave it out"))
    terms = terms_for(own, language_of(loaded.splits.train, seed=recipe.seed))
    choices[KEY] = Resolved(f"{len(terms.value)} pairs", terms.reason)
    return terms.value


def _unusable(key: str, found: str, fix: str, *, expected: str = "a task with one label a row, measured") -> Problem:
    return Problem(where=f"recipe key {key}", expected=expected, found=found, fix=fix)


def with_swapped(recipe: Recipe, loaded: Loaded, pairs: Sequence[Pair], choices: dict[str, Resolved[Any]]) -> Loaded:
    """The rows with those of training that have identity terms a second time, swapped, where the recipe wants that.

    A swapped row whose text is in the validation or test rows is left out: it would teach their answer.

    Args:
        recipe: as asked.
        loaded: the rows.
        pairs: the terms.
        choices: gets how many rows that makes.

    Raises:
        RecipeError: there are no terms, no row has one, or all swapped rows are held out.
    """
    if not recipe.data.swap_terms:
        return loaded
    train = loaded.splits.train
    swapper = Swapper(pairs) if pairs else None
    held_out = {hash_of(row) for row in (*loaded.splits.validation, *loaded.splits.test)}
    rows: list[Row] = []
    swapped = left_out = 0
    for row in train:
        twin = row if swapper is None else swapper.row(row)
        known = twin is not row and hash_of(twin) in held_out
        swapped, left_out = swapped + (twin is not row), left_out + known
        rows += [row] if twin is row or known else [row, twin]
    if len(rows) == len(train):
        found = (
            choices[KEY].reason if not pairs else f"none of {len(train):,} training rows with one of {len(pairs)} pairs"
        )
        if left_out:
            found = f"the swapped text of all {left_out:,} that have one in the validation or test rows"
        fix = f"leave it out, or give terms of your own: {KEY}=FILE"
        raise RecipeError(_unusable(SWAP, found, fix, expected="training rows with identity terms"))
    reason = f"{swapped:,} of {len(train):,} training rows have identity terms, and are learned swapped as well"
    if left_out:
        reason += f", but for {left_out:,} whose swapped text is in the validation or test rows"
    choices[SWAP] = Resolved(f"{len(rows):,} rows", reason)
    return replace(loaded, splits=replace(loaded.splits, train=tuple(rows)))


def with_people(looked: Looked, loaded: Loaded, pairs: Sequence[Pair], recipe: Recipe) -> Looked:
    """An audit with groups of people and identity terms looked at, where there is one label a row.

    Args:
        looked: the audit.
        loaded: the rows, before any is swapped.
        pairs: the terms.
        recipe: as asked.
    """
    audited, findings = looked
    if loaded.labelling.name != CLASSIFICATION:
        return looked
    splits = loaded.splits.by_name
    own, seed = recipe.risks.bias.terms, recipe.seed
    parts = [look_at_terms(splits["train"], Swapper(pairs), seed=seed, own=own)] if pairs else []
    if ROLE in loaded.columns:
        parts.append(look_at_groups(splits, loaded.columns[ROLE], reweighed=recipe.data.reweigh))
    checks = tuple(check for _, some in parts for check in some)
    more = tuple(finding for some, _ in parts for finding in some)
    return replace(audited, checks=(*audited.checks, *checks)), (*findings, *more)
