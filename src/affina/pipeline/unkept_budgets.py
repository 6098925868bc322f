"""Budgets that no candidate could be shown to keep: refused before anything is trained, by a key. Measures nothing."""

from __future__ import annotations

import os
from pathlib import Path

from affina.data.people import KEY as GROUP_KEY
from affina.errors import Problem, RecipeError
from affina.pipeline.budgets import DEFAULTS, budgets_of, keeps_limit, key_of
from affina.pipeline.choosing import rounded_up
from affina.pipeline.given_files import every_probe
from affina.pipeline.prepared import Prepared
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.risks import BY_GROUP, Probed, Risk
from affina.risks.allowance import Allowance
from affina.risks.by_group import ByGroup
from affina.risks.probe import Probe
from affina.risks.swaps import Swaps


def checked_budgets(run: Prepared) -> Prepared:
    """The same run; budgets that no candidate could be shown to keep are refused, before anything is trained.

    Raises:
        RecipeError: nothing is to be measured; there are too few validation rows; this model has no such probe; one
            that the recipe asks for by a key of its own cannot be measured; or the budget is finer than the rows that
            it is held against can show.
    """
    budgets = budgets_of(run.recipe)
    if not budgets:
        return run
    key, rows = key_of(next(iter(budgets))), len(run.rows["validation"])
    if run.recipe.risks.measure == "never":
        fix = "leave one of the two out"
        raise RecipeError(_unusable(key, "risks that are measured", "risks.measure=never beside it", fix))
    with Journal(Path(os.devnull)) as nowhere:
        every = every_probe(run, Allowance(0, bounded=False), nowhere)
    held = {risk: [probe for probe in every if probe.risk == risk and not keeps_limit(probe)] for risk in budgets}
    for risk, probes in held.items():
        if not probes:
            raise RecipeError(_without_probe(risk))
    if rows < LEAST_ROWS:
        wanted = f"{LEAST_ROWS} validation rows or more, to tell which candidate gains anything"
        raise RecipeError(_unusable(key, wanted, f"{rows:,}", "name or hold out more (data.validation)"))
    for risk, probes in held.items():
        if all(isinstance(probe, Probed) for probe in probes):
            why = "; ".join(probe.why for probe in probes if isinstance(probe, Probed))
            raise RecipeError(_without_probe(risk, f" ({why})"))
        for probe in probes:
            _check_probe(probe, risk, budgets[risk])
    return run


def _check_probe(probe: Probe | Probed, risk: Risk, budget: float) -> None:
    """Stop at a probe that the budget cannot be held against."""
    if isinstance(probe, Swaps | ByGroup) and probe.finest > budget:
        least, given = (f"{100 * one:g}pp" for one in (rounded_up(probe.finest), budget))
        wanted = f"{least} or more, the least that so many rows can show to be kept ({probe.name})"
        fix = f"raise it to {least}, or hold out more validation rows (data.validation)"
        raise RecipeError(_unusable(key_of(risk), wanted, given, fix))
    if isinstance(probe, Probed) and probe.probe not in DEFAULTS:
        asked = GROUP_KEY if probe.probe == BY_GROUP else key_of(risk)
        wanted = f"{probe.probe} that can be measured, since a budget is held against them ({key_of(risk)})"
        raise RecipeError(_unusable(asked, wanted, probe.why, "leave one of the two out"))


def _without_probe(risk: Risk, why: str = "") -> Problem:
    found = f"none, so that nothing would be held against it{why}"
    return _unusable(key_of(risk), f"a probe of {risk} that this model has", found, "leave the budget out")


def _unusable(key: str, expected: str, found: str, fix: str) -> Problem:
    return Problem(where=f"recipe key {key}", expected=expected, found=found, fix=fix)
