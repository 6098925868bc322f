"""The stage in which a trained model's risks are measured.

Which probes a run has is the subject's, and of the user's files `given_files`'; what they are is in `risks`. What was
measured, and what was not and why, goes into the record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from affina.pipeline.attaching import as_exported, is_beside
from affina.pipeline.budgets import budgets_of, keeps_limit, name_of
from affina.pipeline.effort import effort_of, tokens_of_epoch
from affina.pipeline.given_files import every_probe
from affina.pipeline.prepared import Prepared
from affina.recipe.base import AUTO
from affina.record.journal import Journal
from affina.record.risks import BY_GROUP, RISKS, SWAPS, Probed
from affina.reporting.formats import mebibytes
from affina.risks.allowance import Allowance
from affina.risks.measuring import Looks
from affina.risks.probe import Probe
from affina.runtime import heap, machine
from affina.training.control import Outcome
from affina.training.plan import Plan

OF_OWN_ROWS: Final = frozenset({SWAPS, BY_GROUP})
"""The probes that ask rows of the run's own: of a search validation rows, of a report those that it is about."""


@dataclass(frozen=True, slots=True)
class Probing:
    """A run's probes, and what is not measured and why."""

    looks: Looks
    lacking: tuple[Probed, ...]

    def but(self, names: frozenset[str]) -> Probing:
        """The same without the probes of these names."""
        return Probing(self.looks.but(names), tuple(line for line in self.lacking if line.probe not in names))


def probing_of(run: Prepared, outcome: Outcome, journal: Journal) -> Probing:
    """The probes of a run; none of them has looked at anything yet.

    Args:
        run: its best weights in the model, in evaluation mode.
        outcome: how the training ended.
        journal: shown how far slow work has come.
    """
    run.model.module.zero_grad(set_to_none=True)
    heap.give_back()  # the training has left gaps; another model is about to be read
    return _probing(run, _with_room(every_probe(run, _allowance(run, outcome.tokens), journal), run))


def _probing(run: Prepared, every: Iterable[Probe | Probed]) -> Probing:
    found, budgets = list(every), budgets_of(run.recipe)
    probes = [probe for probe in found if not isinstance(probe, Probed)]
    lacking = tuple(probe for probe in found if isinstance(probe, Probed))
    return Probing(Looks(probes, run.attached, budgets=budgets, keeps_limit=keeps_limit), lacking)


def measure_risks(run: Prepared, outcome: Outcome, journal: Journal, probing: Probing | None = None) -> None:
    """Measure and record the risks of the exported model.

    Args:
        run: the weights in the model, in evaluation mode.
        outcome: how the training ended.
        journal: gets a line for each probe.
        probing: the probes of a search, which have looked at the model as it came already.
    """
    if run.recipe.risks.measure == "never":
        for risk in RISKS:
            journal.append(
                Probed(risk=risk, probe=risk, outcome="unmeasured", why="the recipe says risks.measure=never")
            )
        return
    searched = probing is not None and "bias" in budgets_of(run.recipe) and run.report_split != "validation"
    probing = probing or probing_of(run, outcome, journal)
    parts = _on_unseen(run, outcome, journal, probing) if searched else (probing,)
    for part in parts:
        for line in part.lacking:
            journal.append(line)
        part.looks.at_base()
    with as_exported(run):
        for part in parts:
            for line in part.looks.at_tuned():
                journal.append(line)


def _on_unseen(run: Prepared, outcome: Outcome, journal: Journal, probing: Probing) -> tuple[Probing, Probing]:
    """The probes of a search without those that chose by rows of the run's own; these, of the rows of the report."""
    report = run.recipe.risks.model_copy(update={"bias": run.recipe.risks.bias.model_copy(update={"budget": None})})
    asked = replace(run, recipe=run.recipe.model_copy(update={"risks": report}))
    every = every_probe(asked, _allowance(run, outcome.tokens), journal)
    return probing.but(OF_OWN_ROWS), _probing(
        run, _with_room([one for one in every if name_of(one) in OF_OWN_ROWS], run)
    )


def _allowance(run: Prepared, tokens: int, plan: Plan | None = None) -> Allowance:
    """What the probes of a run may read whose training read so many tokens."""
    bounded = run.recipe.risks.measure == AUTO
    return Allowance(effort_of(run, tokens, plan), bounded=bounded, budgeted=frozenset(budgets_of(run.recipe)))


def will_read_base(run: Prepared, plan: Plan) -> bool:
    """Whether a run whose training goes as it was planned reads the model as it came again: for a probe that it may."""
    if not reads_base(run):
        return False
    tokens = round(plan.epoch_after(plan.total_steps) * tokens_of_epoch(run))
    with Journal(Path(os.devnull)) as journal:
        found = every_probe(run, _allowance(run, tokens, plan), journal)
    return any(not isinstance(probe, Probed) and probe.needs_base for probe in found)


def reads_base(run: Prepared) -> bool:
    """Whether the model as it came would have to be read again, beside the tuned one."""
    in_the_model = any(group.part == "body" for group in run.attached.parameter_groups())
    return run.recipe.risks.measure != "never" and in_the_model and not is_beside(run.attached)


def _with_room(probes: Iterable[Probe | Probed], run: Prepared) -> Iterator[Probe | Probed]:
    """The same without those that look at the base model, where it does not fit beside the tuned one."""
    weights = run.model.module.parameters()
    needed = sum(tensor.numel() * tensor.element_size() for tensor in weights) if reads_base(run) else 0
    free = machine.free_memory(run.device)
    lacking = free is not None and needed > free
    why = f"the model as it came takes {mebibytes(needed)} beside the tuned one; {mebibytes(free or 0)} are free"
    for probe in probes:
        if lacking and not isinstance(probe, Probed) and probe.needs_base:
            yield Probed(risk=probe.risk, probe=probe.name, outcome="unmeasured", why=why)
        else:
            yield probe
