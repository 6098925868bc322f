"""How much work the probes of a run may be: at most a share of what its training was.

Work is counted in tokens that go through the model forward, so that what is measured depends on the run alone and never
on the clock. What the probes took in seconds is in the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from affina.record.risks import Probed, Risk
from affina.training.stepping import BACKWARD

SHARES: Final[Mapping[Risk, float]] = MappingProxyType({"overfitting": 0.05, "forgetting": 0.1})
"""Of the work of the training; 15% together. A run does more than to train, so that of its time they are less."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the probes of a run may read.

    Attributes:
        trained: tokens that the training read, each as often as it did.
        bounded: whether there is a bound at all.
    """

    trained: int
    bounded: bool

    def rows(self, risk: Risk, *, each: float, most: int) -> int:
        """How many of `most` rows may be read.

        Args:
            risk: that they are read for.
            each: tokens of forward passes that a row takes.
            most: rows that there are, or that are enough.
        """
        within = self._tokens(risk) / max(each, 1e-9)
        return most if within >= most else int(within)

    def refused(self, risk: Risk, probe: str, *, each: float, least: int) -> Probed | None:
        """Why a probe is left out; None where it is not.

        Args:
            risk: of what.
            probe: its name.
            each: tokens of forward passes that a row takes.
            least: rows without which it is not measured.
        """
        if self.rows(risk, each=each, most=least) >= least:
            return None
        why = (
            f"the training read {self.trained:,} tokens, and to measure this on {least} rows or texts would be more"
            f" than {SHARES[risk]:.0%} of that work; risks.measure=always measures it all the same"
        )
        return Probed(risk=risk, probe=probe, outcome="unmeasured", why=why)

    def _tokens(self, risk: Risk) -> float:
        return SHARES[risk] * BACKWARD * self.trained if self.bounded else math.inf
