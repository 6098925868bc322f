"""How much work the probes of a run may be: at most a share of what its training was.

Work is counted in tokens that go through the model forward, so that what is measured depends on the run alone and never
on the clock. What the probes took in seconds is in the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from affina.record.risks import Probed, Risk
from affina.training.stepping import BACKWARD

Part = Literal["overfitting", "memorising", "forgetting", "bias"]
SHARES: Final[Mapping[Part, float]] = MappingProxyType(
    {"overfitting": 0.04, "memorising": 0.03, "forgetting": 0.06, "bias": 0.05}
)
"""Of the work of the training: at most 15% together, since memorising is asked of models that write texts, and bias of
those that choose labels. A run does more than to train, so that of its time they are less; where
little trains and a step is cheaper than it is counted, that makes up for it."""
RISKS: Final[Mapping[Part, Risk]] = MappingProxyType(
    {"overfitting": "overfitting", "memorising": "overfitting", "forgetting": "forgetting", "bias": "bias"}
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the probes of a run may read.

    Attributes:
        trained: tokens that the training read, each as often as it did.
        bounded: whether there is a bound at all.
        budgeted: risks whose probes have none: a budget has to be held against something.
    """

    trained: int
    bounded: bool
    budgeted: frozenset[Risk] = frozenset()

    def tokens(self, part: Part) -> float:
        """How many may go through the model forward."""
        bounded = self.bounded and not (RISKS[part] in self.budgeted and part != "memorising")
        return SHARES[part] * BACKWARD * self.trained if bounded else math.inf

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
            f"the training read {self.trained:,} tokens, and to measure this on {least} rows or texts would be more"
            f" than {SHARES[part]:.0%} of that work, its part of the 15% for all probes; risks.measure=always measures"
            " it all the same"
        )
        return Probed(risk=RISKS[part], probe=probe, outcome="unmeasured", why=why)
