"""The probes of a run, one after the other: the model as it came first, in one go, then the tuned one.

A probe that fails costs a finished run nothing: what it would have measured is recorded as not measured, with the
reason. This module knows no probe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from affina.errors import AffinaError
from affina.methods.base import Attached
from affina.record.risks import Probed
from affina.risks.probe import Found, Probe
from affina.runtime.exhausted import ran_out


class _Looked:
    """A probe with what it took so far, and why it failed."""

    def __init__(self, probe: Probe) -> None:
        self.probe, self.seconds, self.why = probe, 0.0, ""

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of the block, and keep why it failed."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.why = in_words(error)
            if not self.why:
                raise
        finally:
            self.seconds += time.perf_counter() - started

    def ended(self) -> Probed:
        """The probe's line of the record."""
        found = None
        if not self.why:
            with self.timed():
                found = self.probe.after()
        found = found or Found(outcome="unmeasured", why=self.why)
        return Probed(
            risk=self.probe.risk,
            probe=self.probe.name,
            outcome=found.outcome,
            limit=found.limit,
            figures=found.figures,
            why=found.why,
            notes=found.notes,
            seconds=round(self.seconds, 2),
        )


def measure(
    probes: Sequence[Probe], attached: Attached, *, exported: Callable[[], AbstractContextManager[None]]
) -> Iterator[Probed]:
    """What each probe found, in order.

    Args:
        probes: of one run.
        attached: the model with its method, its best weights in it and in evaluation mode.
        exported: makes it what is shipped while a block runs.
    """
    looked = [_Looked(probe) for probe in probes]
    _look_at_base([one for one in looked if one.probe.needs_base], attached)
    with exported():
        for one in looked:
            yield one.ended()


def _look_at_base(looked: Sequence[_Looked], attached: Attached) -> None:
    """The first of them bears the time in which the base is read."""
    if not looked:
        return
    started = time.perf_counter()
    try:
        with attached.as_it_came():
            looked[0].seconds += time.perf_counter() - started
            for one in looked:
                with one.timed():
                    one.probe.before()
    except Exception as error:
        if not (why := in_words(error)):
            raise
        for one in looked:
            one.why = one.why or why


def in_words(error: Exception) -> str:
    """What went wrong, in one sentence; empty for a fault of ours, which is no reason not to measure."""
    if ran_out(error):
        return "there was not enough memory for it"
    if isinstance(error, AffinaError):
        first = error.problems[0]
        return f"{first.where}: {first.found} (expected: {first.expected}); {first.fix}"
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError) else ""
