"""Exposure of canaries: how far the number that a model was trained on stands out among numbers that it never saw.

With the log-probability of a canary's text for each number of its space R, the exposure (Carlini et al. 2019, section
4.3, definition 4) is

    exposure = log2 |R| - log2 rank,    rank = how many numbers are at least as likely as the canary's, itself included

in bits: 0 for the least likely number, log2 |R| for the likeliest. The rank among a billion numbers is estimated by
that among a sample of them (section 4.4): with m others drawn evenly from R, of which k are at least as likely,

    exposure = log2((m + 1) / (k + 1))

which is at most log2(m + 1), 8 bits for the 255 that are drawn: a canary that would be the first of a billion, and one
that is the first of 256, are not told apart. A number that was never trained on has 1 / ln 2 = 1.44 bits on average,
less what the steps of the rank take. The paper's fit of a skew-normal distribution, which goes beyond the sample, is
not made: how far it holds in the tail is not known for a fine-tuned model.

This module runs no model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import numpy as np

from affina.evaluation.intervals import Floats
from affina.evaluation.judging.base import Sampling
from affina.record.risks import CANARIES, DIFFERENCE, TUNED, UNTOUCHED, Figure, Risk
from affina.risks.probe import Found, outcome_of, with_intervals

LIMIT: Final = 3.0
"""Bits on average: a canary then is among the likeliest eighth of the numbers. By convention; chance has 1.44."""
EXPOSURE: Final = "exposure"

Look = Callable[[], Floats]
"""The log-probability of each canary's text by the model as it is, [canaries, 1 + others], its own number's first."""


@final
class Exposed:
    """Canaries among the training rows, before and after: a `Probe`.

    Args:
        look: reads their texts.
        sampling: how the intervals are drawn.
        notes: what they are.
    """

    risk: Risk = "overfitting"
    name = CANARIES
    needs_base = True

    def __init__(self, look: Look, *, sampling: Sampling, notes: tuple[str, ...]) -> None:
        self._look, self._sampling, self._notes = look, sampling, notes
        self._base: Floats = np.zeros(0)

    def before(self) -> None:
        """Read them."""
        self._base = exposures(self._look())

    def after(self) -> Found:
        """Read them again."""
        looked = self._look()
        tuned = exposures(looked)
        sides = np.stack([tuned, self._base, tuned - self._base])
        count, most = len(tuned), math.log2(looked.shape[1])

        def measure(weights: Floats) -> Floats:
            return np.asarray(sides @ weights / weights.sum())

        found = with_intervals(measure, count, self._sampling)
        figures = zip((TUNED, UNTOUCHED, DIFFERENCE), found, strict=True)
        each = ", ".join(f"{was:.1f} to {now:.1f}" for was, now in zip(self._base, tuned, strict=True))
        return Found(
            outcome=outcome_of(found[0], LIMIT),
            limit=LIMIT,
            figures=tuple(Figure(metric=EXPOSURE, of=side, found=one) for side, one in figures),
            notes=(
                *self._notes,
                f"exposure = log2({looked.shape[1]:,} / rank among {looked.shape[1] - 1:,} other numbers and itself),"
                f" {most:.1f} bits at most; a number that was never seen has 1.4 on average",
                f"bits of each, before and after: {each}",
            ),
        )


def exposures(likely: Floats) -> Floats:
    """The exposure of each canary in bits, [canaries].

    Args:
        likely: [canaries, 1 + others], log-probabilities, the canary's own first; a tie counts against it.
    """
    ranks = (likely >= likely[:, :1]).sum(axis=1)
    return np.asarray(np.log2(likely.shape[1] / ranks), dtype=np.float64)
