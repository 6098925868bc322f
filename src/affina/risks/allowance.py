"""How much work the probes of a run may be: at most a share of what the rest of it is.

Work is counted in tokens that go through the model forward (`pipeline.effort`), so that what is measured depends on the
run alone and never on the clock. What the probes took in seconds is in the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from affina.record.risks import Probed, Risk

Part = Literal["overfitting", "memorising", "forgetting", "bias"]
SHARES: Final[Mapping[Part, float]] = MappingProxyType(
    {"overfitting": 0.04, "memorising": 0.05, "forgetting": 0.06, "bias": 0.05}
)
"""Of the work of the run: at most 15% together, since memorising is asked of models that write texts, and bias of
those that choose labels."""
RISKS: Final[Mapping[Part, Risk]] = MappingProxyType(
    {"overfitting": "overfitting", "memorising": "overfitting", "forgetting": "forgetting", "bias": "bias"}
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the probes of a run may read.

    Attributes:
        work: of the run without them, in tokens that go through its model forward.
        bounded: whether there is a bound at all.
        budgeted: risks whose probes have none: a budget has to be held against something.
    """

    work: float
    bounded: bool
    budgeted: frozenset[Risk] = frozenset()

    def tokens(self, part: Part) -> float:
        """How many may go through the model forward."""
        bounded = self.bounded and not (RISKS[part] in self.budgeted and part != "memorising")
        return SHARES[part] * self.work if bounded else math.inf

    def rows(self, part: Part, *, each: float, most: int) -> int:
        """How many of `most` rows may be read.

        Args:
            part: that they are read for.
            each: tokens of forward passes that a row takes.
            most: rows that there are, or that are enough.
        """
        allowed = self.tokens(part)
        return most if allowed >= each * most else int(allowed / each)

    def refused(self, part: Part, probe: str, *, each: float, least: int) -> Probed | None:
        """Why a probe is left out; None where it is not.

        Args:
            part: of what.
            probe: its name.
            each: as in `rows`.
            least: rows without which it is not measured.
        """
        if self.rows(part, each=each, most=least) >= least:
            return None
        why = (
            f"the run is too short for it (risks.measure=always measures it all the same): {least} rows or texts would"
            f" be {least * each:,.0f} tokens to read, and of the {self.work:,.0f} that the run takes without its probes"
            f" {SHARES[part]:.0%} are for this, of 15% for all"
        )
        return Probed(risk=RISKS[part], probe=probe, outcome="unmeasured", why=why)
