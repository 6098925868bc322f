"""The stages of a run that unfreezes its layers in turn: at which step each begins, and what is said of them.

Which layers train together is the method's (`methods.unfreezing`), how many steps an epoch has is the plan's; here the
two meet. The loop is handed the stages and changes nothing of them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

from affina.methods.base import Attached
from affina.methods.layer_groups import HEAD, LayerGroup, layer_groups
from affina.methods.reach import quiet_below
from affina.methods.unfreezing import Together, in_turn, named
from affina.models.anatomy import Anatomy
from affina.recipe.schema import Method, TrainSpec
from affina.recipe.weight_specs import FullSpec
from affina.training.plan import Plan
from affina.training.stages import Stage
from affina.values import Resolved

MOST_NAMED: Final = 10
"""Stages that are named one by one in a sentence."""
UNFREEZING: Final = "method.unfreezing"
LAYER_DECAY: Final = "method.layer_decay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The order in which the layers of a run train, before there is a plan of its steps.

    Attributes:
        spec: the recipe's method.
        groups: all that trains, from the top.
        stages: which of them train together; empty where all train from the first step on.
    """

    spec: FullSpec
    groups: tuple[LayerGroup, ...]
    stages: tuple[Together, ...]

    @property
    def epochs(self) -> float:
        """Epochs until all train; 0 where they do from the start."""
        return self.spec.stage_epochs * max(0, len(self.stages) - 1)

    def starts(self, plan: Plan) -> list[int]:
        """The first step of each stage; a stage has one step at least, and one that is never reached starts too late.

        Steps that are not there are counted on, so that no two stages start together.
        """
        wanted = (plan.steps_in(number * self.spec.stage_epochs) for number in range(len(self.stages)))
        return list(itertools.accumulate(wanted, lambda before, start: max(before + 1, start)))


def turns_of(method: Method, attached: Attached, anatomy: Anatomy) -> Turns | None:
    """The order of the layers, or None for a method that has none."""
    if not isinstance(method, FullSpec):
        return None
    groups = layer_groups(attached.state_dict(), anatomy)
    return Turns(spec=method, groups=groups, stages=in_turn(method.unfreezing, groups))


def stages_of(turns: Turns | None, plan: Plan, module: Any, anatomy: Anatomy) -> tuple[Stage, ...]:
    """The stages that a run comes to; none where everything trains from the start.

    Args:
        turns: from `turns_of`.
        plan: the run's steps.
        module: the model.
        anatomy: its own.
    """
    if turns is None:
        return ()
    found = []
    for start, together in zip(turns.starts(plan), turns.stages, strict=True):
        if start < plan.total_steps:
            names = frozenset(name for group in together for name in group.parameters)
            text = f"what trains from here on: {named(together, of=len(turns.groups))}"
            quiet = quiet_below(module, anatomy, names)
            found.append(Stage(start=start, names=names, quiet=quiet, text=text))
    return tuple(found)


def all_train_from(turns: Turns | None, plan: Plan) -> int:
    """The first step in which all layers train, or the end of a run that does not come to it."""
    return 0 if turns is None or not turns.stages else min(turns.starts(plan)[-1], plan.total_steps)


def told_of_rates(turns: Turns | None) -> dict[str, Resolved[Any]]:
    """What is printed of the layers' rates, by recipe key; nothing where there is one rate."""
    if turns is None or turns.spec.layer_decay == 1:
        return {}
    return {LAYER_DECAY: Resolved(turns.spec.layer_decay, _rates_in_words(turns))}


def told_of_stages(turns: Turns, plan: Plan, train: TrainSpec) -> tuple[dict[str, Resolved[Any]], list[str]]:
    """What is printed of layers that train in turn, by recipe key, and what the user must be told of them.

    Args:
        turns: from `turns_of`; it has stages.
        plan: the run's steps.
        train: the recipe's part that could make the run long enough.
    """
    told = Resolved(turns.spec.unfreezing, stages_in_words(turns, plan))
    return {UNFREEZING: told}, _too_short(turns, plan, train)


def stages_in_words(turns: Turns, plan: Plan) -> str:
    """What trains when."""
    stages = list(zip(turns.starts(plan), turns.stages, strict=True))
    begun = [(start, together) for start, together in stages if start < plan.total_steps]
    parts = [
        named(together, of=len(turns.groups)) + (f" from step {start + 1}" if start else " first")
        for start, together in begun
    ]
    if len(parts) > MOST_NAMED:
        parts = [*parts[:3], "...", *parts[-2:]]
    if len(begun) < len(stages):
        return f"{', '.join(parts)}; the run ends before the other {len(stages) - len(begun)} of {len(stages)} stages"
    return f"{', '.join(parts)}; until then a run is neither stopped early nor begun again"


def _rates_in_words(turns: Turns) -> str:
    names = [group.name for group in turns.groups]
    body = [name for name in names if name != HEAD]
    least = turns.spec.layer_decay ** (len(body) - 1)
    return f"{body[0]} at train.learning_rate, each group below at the one above / {turns.spec.layer_decay:g}: " + (
        f"{body[-1]} at 1/{least:.4g} of it"
    )


def _too_short(turns: Turns, plan: Plan, train: TrainSpec) -> list[str]:
    """A sentence where the run ends before all its layers have trained together."""
    missed = [
        together for start, together in zip(turns.starts(plan), turns.stages, strict=True) if start >= plan.total_steps
    ]
    if not missed:
        return []
    reached = {group for together in turns.stages[: -len(missed)] for group in together}
    never = [group.name for group in turns.groups if group not in reached]
    names = f"{', '.join(never[:3])}{', ...' if len(never) > 3 else ''}"
    what = f"{names} never train" if never else "no step trains all layers together"
    enough = f"train.epochs={math.ceil(turns.epochs) + 1}"
    fix = f"write {enough}" if train.max_steps is None else f"write {enough} and leave train.max_steps out"
    return [f"method.unfreezing={turns.spec.unfreezing}: the run is too short for its stages, {what}; {fix}"]
