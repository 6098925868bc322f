"""The recipe's budgets: which there are, what they are held against, and what a training keeps for a search.

The search itself is `search`; what is refused before a training, `unkept_budgets`. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from affina.errors import Problem, RecipeError
from affina.methods.base import Scalable
from affina.pipeline.prepared import Prepared
from affina.recipe.schema import Recipe
from affina.record.risks import CANARIES, REPRODUCED, SWAPS, Probed, Risk
from affina.risks import foretelling, overfitting, similarity
from affina.risks.probe import Probe
from affina.training.plan import Plan
from affina.values import Resolved

ON_THE_LINE: Final = (1 / 8, 1 / 4, 1 / 2)
"""Of a run's evaluations, after which weights are kept beside a line that has its own way back,"""
WITHOUT_A_LINE: Final = tuple(number / 10 for number in range(1, 10))
"""and where they are all that there is to choose among."""
DEFAULTS: Final = frozenset({overfitting.NAME, foretelling.OWN, foretelling.ANSWERS, similarity.NAME, SWAPS})
"""The names of the probes that are measured of a run whose recipe names no column and no file for them."""
MOST_BYTES: Final = 2 * 2**30
"""Of all that is kept for a search; the start is kept whatever it takes."""


def budgets_of(recipe: Recipe) -> dict[Risk, float]:
    """Risk to its budget, of those that have one."""
    asked: dict[Risk, float | None] = {
        "overfitting": recipe.risks.overfitting.budget,
        "forgetting": recipe.risks.forgetting.budget,
        "bias": recipe.risks.bias.budget,
    }
    return {risk: budget for risk, budget in asked.items() if budget is not None}


def key_of(risk: Risk) -> str:
    """The recipe key of a risk's budget."""
    return f"risks.{risk}.budget"


def keeps_limit(probe: Probe | Probed) -> bool:
    """Whether a probe keeps its own limit: what is learned word for word is another thing than what is lost elsewhere.

    An exposure has another unit, too, and to write texts takes too long for each candidate.
    """
    return name_of(probe) in (REPRODUCED, CANARIES)


def name_of(probe: Probe | Probed) -> str:
    """What a probe is called, whether it is there or not measured."""
    return probe.probe if isinstance(probe, Probed) else probe.name


def left_out(probes: Sequence[Probe | Probed], budgets: Mapping[Risk, float]) -> Iterator[Probed]:
    """What no budget is held against: the defaults that cannot be measured, where another probe of their risk can be.

    Args:
        probes: all of a run.
        budgets: risk to its budget.
    """
    held = [probe for probe in probes if probe.risk in budgets and not keeps_limit(probe)]
    measured = {probe.risk for probe in held if not isinstance(probe, Probed)}
    for probe in held:
        if isinstance(probe, Probed) and probe.probe in DEFAULTS and probe.risk in measured:
            yield probe


def check_gate(recipe: Recipe) -> None:
    """Refuse a gate that nothing is held against.

    Raises:
        RecipeError: there is no budget.
    """
    if not budgets_of(recipe):
        raise RecipeError(
            Problem(
                where="--gate",
                expected="a budget to hold the run against",
                found="none: the probes' own limits are conventions, which should fail nobody's build",
                fix="write one, such as risks.forgetting.budget=5%, or leave --gate out",
            )
        )


def told_of_search(recipe: Recipe) -> dict[str, Resolved[Any]]:
    """What a run with budgets does after its training, which no forecast counts."""
    if not budgets_of(recipe):
        return {}
    how = "after the training; every probe that a budget is held against is asked of each, and no forecast counts that"
    return {"risks (search)": Resolved("about ten candidates", how)}


def snapshot_steps(run: Prepared, plan: Plan) -> frozenset[int]:
    """The steps whose weights are kept for a search: the start, and some of the evaluations; empty without a budget.

    They follow from the plan alone, so that a run that goes on keeps the same ones.
    """
    if not budgets_of(run.recipe):
        return frozenset()
    evaluated = [step for step in range(1, plan.total_steps) if plan.evaluates_after(step)]
    shares = ON_THE_LINE if isinstance(run.attached, Scalable) else WITHOUT_A_LINE
    places = [min(len(evaluated), max(1, round(share * (len(evaluated) + 1)))) - 1 for share in shares]
    chosen = [evaluated[place] for place in dict.fromkeys(places)] if evaluated else []
    each = sum(tensor.numel() * tensor.element_size() for tensor in run.attached.state_dict().values())
    return frozenset([0, *chosen[: max(0, MOST_BYTES // max(1, each) - 1)]])
