"""The stage in which a trained model's risks are measured.

Which probes a run has is the subject's, and of the user's files `given_files`'; what they are is in `risks`. What was
measured, and what was not and why, goes into the record.
"""

from __future__ import annotations

from collections.abc import Iterator

from affina.pipeline.attaching import as_exported, is_beside
from affina.pipeline.given_files import likelier_of
from affina.pipeline.prepared import Prepared
from affina.recipe.base import AUTO
from affina.record.journal import Journal
from affina.record.risks import RISKS, Probed
from affina.reporting.formats import mebibytes
from affina.risks.allowance import Allowance
from affina.risks.measuring import measure
from affina.risks.probe import Probe
from affina.runtime import heap, machine
from affina.training.loop import Outcome


def measure_risks(run: Prepared, outcome: Outcome, journal: Journal) -> None:
    """Measure and record the risks of the exported model.

    Args:
        run: its best weights in the model, in evaluation mode.
        outcome: how the training ended.
        journal: gets a line for each probe.
    """
    asked = run.recipe.risks.measure
    if asked == "never":
        for risk in RISKS:
            journal.append(
                Probed(risk=risk, probe=risk, outcome="unmeasured", why="the recipe says risks.measure=never")
            )
        return
    run.model.module.zero_grad(set_to_none=True)
    heap.give_back()  # the training has left gaps; another model is about to be read
    allowance = Allowance(outcome.tokens, bounded=asked == AUTO)
    probes: list[Probe] = []
    asked_for = [*run.subject.probes(run, allowance, journal), *likelier_of(run, journal)]
    for probe in _with_room(asked_for, run):
        if isinstance(probe, Probed):
            journal.append(probe)
        else:
            probes.append(probe)
    for line in measure(probes, run.attached, exported=lambda: as_exported(run)):
        journal.append(line)


def reads_base(run: Prepared) -> bool:
    """Whether the model as it came is read again, beside the tuned one."""
    in_the_model = any(group.part == "body" for group in run.attached.parameter_groups())
    return run.recipe.risks.measure != "never" and in_the_model and not is_beside(run.attached)


def _with_room(probes: list[Probe | Probed], run: Prepared) -> Iterator[Probe | Probed]:
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
