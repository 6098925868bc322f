"""The probes of a run: the model as it came first, in one go, then the tuned one, as often as it is asked for.

A probe that fails costs a finished run nothing: what it would have measured is recorded as not measured, with the
reason. This module knows no probe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from affina.errors import AffinaError
from affina.methods.base import Attached
from affina.record.risks import Probed, Risk
from affina.risks.probe import Found, Probe, held_to
from affina.runtime.exhausted import ran_out


def every(_: Probe) -> bool:
    """All probes."""
    return True


@dataclass(slots=True)
class _Looked:
    """A probe with what its look at the base took, and why that failed."""

    probe: Probe
    seconds: float = 0.0
    why: str = ""


@final
class Looks:
    """The probes of one run.

    Args:
        probes: of one run.
        attached: the model with its method.
        budgets: risk to what takes the place of its probes' limits.
        keeps_limit: whether a probe's limit stays although its risk has a budget.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        attached: Attached,
        *,
        budgets: Mapping[Risk, float],
        keeps_limit: Callable[[Probe], bool],
    ) -> None:
        self._looked = [_Looked(probe) for probe in probes]
        self._attached, self._budgets, self._keeps_limit = attached, budgets, keeps_limit
        self._begun = False

    def but(self, names: frozenset[str]) -> Looks:
        """The same, as far as they have looked, without the probes of these names."""
        others = Looks([], self._attached, budgets=self._budgets, keeps_limit=self._keeps_limit)
        others._looked = [one for one in self._looked if one.probe.name not in names]
        others._begun = self._begun
        return others

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All of them, in order."""
        return tuple(one.probe for one in self._looked)

    def at_base(self) -> None:
        """Look at the model as it came, once; the first probe bears the time in which the base is read.

        The model is in evaluation mode.
        """
        looked = [one for one in self._looked if one.probe.needs_base]
        if self._begun or not looked:
            return
        self._begun, started = True, time.perf_counter()
        try:
            with self._attached.as_it_came():
                looked[0].seconds += time.perf_counter() - started
                for one in looked:
                    _, one.why, seconds = _tried(one.probe.before)
                    one.seconds += seconds
        except Exception as error:
            for one in looked:
                one.why = one.why or in_words(error)

    def at_tuned(self, which: Callable[[Probe], bool] = every) -> Iterator[Probed]:
        """What each probe, of those that are asked for, finds of the model as it is."""
        for one in self._looked:
            if which(one.probe):
                yield self._ended(one)

    def is_budgeted(self, probe: Probe) -> bool:
        """Whether a budget takes the place of its limit."""
        return probe.risk in self._budgets and not self._keeps_limit(probe)

    def _ended(self, one: _Looked) -> Probed:
        """The probe's line of the record."""
        found, why, seconds = (None, one.why, 0.0) if one.why else _tried(one.probe.after)
        found = found or Found(outcome="unmeasured", why=why)
        budgeted = self.is_budgeted(one.probe)
        if budgeted:
            found = held_to(found, self._budgets[one.probe.risk])
        return Probed(
            risk=one.probe.risk,
            probe=one.probe.name,
            outcome=found.outcome,
            limit=found.limit,
            is_budget=budgeted and found.limit is not None,
            figures=found.figures,
            why=found.why,
            said=found.said,
            notes=found.notes,
            seconds=round(one.seconds + seconds, 2),
        )


def _tried(look: Callable[[], Found | None]) -> tuple[Found | None, str, float]:
    """What a look gave, why it failed, and its seconds."""
    started = time.perf_counter()
    try:
        return look(), "", time.perf_counter() - started
    except Exception as error:
        return None, in_words(error), time.perf_counter() - started


def in_words(error: Exception) -> str:
    """What went wrong, in one sentence: nothing of it is worth a finished run."""
    if ran_out(error):
        return "there was not enough memory for it"
    if isinstance(error, AffinaError):
        first = error.problems[0]
        return f"{first.where}: {first.found} (expected: {first.expected}); {first.fix}"
    said = f"{type(error).__name__}: {error}"
    return said if isinstance(error, OSError) else f"a fault of Affina's own, which should be reported: {said}"
