"""The identity terms of a run: its probes of bias, where it chooses labels, and training rows with them swapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import KEY, Pair, terms_for
from affina.data.loading import Loaded
from affina.errors import Problem, RecipeError
from affina.evaluation.language import language_of
from affina.pipeline.prepared import Prepared
from affina.recipe.schema import Recipe
from affina.record.figures import LEAST_ROWS
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.probe import Probe
from affina.risks.swaps import NAME, Swaps, Views
from affina.values import Resolved

MOST_PAIRS: Final = 500
"""Rows that are swapped: more would make the interval little shorter."""
CLASSIFICATION: Final = "classification"
SWAP: Final = "data.swap_terms"


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run's model is asked, and what that takes.

    Attributes:
        read: tokens that are read for a row, as it is and swapped, by both models;
        each: and with what is read beside that for its sake.
        views: the ways, given tokens that may be read beside all rows.
    """

    read: float
    each: float
    views: Callable[[float], Views]


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
    if not recipe.data.swap_terms and (never or task != CLASSIFICATION):
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

    Args:
        recipe: as asked.
        loaded: the rows.
        pairs: the terms.
        choices: gets how many rows that makes.

    Raises:
        RecipeError: there are no terms, or no row has one.
    """
    if not recipe.data.swap_terms:
        return loaded
    train = loaded.splits.train
    swapper = Swapper(pairs) if pairs else None
    twins = [(row, row if swapper is None else swapper.row(row)) for row in train]
    rows = tuple(one for row, other in twins for one in ((row,) if other is row else (row, other)))
    added = len(rows) - len(train)
    if not added:
        found = (
            choices[KEY].reason if not pairs else f"none of {len(train):,} training rows with one of {len(pairs)} pairs"
        )
        fix = f"leave it out, or give terms of your own: {KEY}=FILE"
        raise RecipeError(_unusable(SWAP, found, fix, expected="training rows with identity terms"))
    reason = f"{added:,} of {len(train):,} training rows have identity terms, and are learned swapped as well"
    choices[SWAP] = Resolved(f"{len(rows):,} rows", reason)
    return replace(loaded, splits=replace(loaded.splits, train=rows))


def bias_of(run: Prepared, allowance: Allowance, asked: Asked) -> list[Probe | Probed]:
    """The probes, or why one is left out.

    Args:
        run: its rows, and the terms.
        allowance: how much may be read.
        asked: how the model is.
    """
    return [_swaps(run, allowance, asked)]


def _swaps(run: Prepared, allowance: Allowance, asked: Asked) -> Probe | Probed:
    split = run.report_split
    rows = run.rows[split]
    if not run.terms:
        return _not_measured(f"{run.choices[KEY].reason}; {KEY}=FILE gives terms of your own")
    swapper = Swapper(run.terms)
    pairs = swapper.rows(rows)
    if not pairs:
        return _not_measured(f"none of {len(rows):,} {split} rows has one of the terms; {KEY}=FILE gives others")
    most = min(MOST_PAIRS, len(pairs))
    refused = allowance.refused("bias", NAME, each=asked.each, least=min(LEAST_ROWS, most))
    if refused is not None:
        return refused
    count = allowance.rows("bias", each=asked.each, most=most)
    chosen = sorted(np.random.default_rng(run.recipe.seed).permutation(len(pairs))[:count].tolist())
    left = allowance.tokens("bias") - count * asked.read
    drawn = "" if count == len(pairs) else f", of which {count:,} were drawn by the seed"
    note = f"{len(pairs):,} of {len(rows):,} {split} rows have one of {len(run.terms)} pairs of terms{drawn}"
    return Swaps(
        [pairs[place] for place in chosen],
        views=asked.views(left),
        sampling=run.sampling,
        notes=(note, *_unsure(swapper, [pairs[place][0].texts for place in chosen])),
    )


def _unsure(swapper: Swapper, texts: list[tuple[str, ...]]) -> tuple[str, ...]:
    count = sum(swapper.swap(text).unsure for row in texts for text in row)
    if not count:
        return ()
    one = count == 1
    return (f"{count:,} term{'' if one else 's'} with two counterparts, as her is his or him, went by the next word",)


def _not_measured(why: str) -> Probed:
    return Probed(risk="bias", probe=NAME, outcome="unmeasured", why=why)
