"""BLEU and chrF from the means of their counts over rows, as sacrebleu computes them from their sums.

Both are made of ratios of counts, so that means do as well as sums. sacrebleu is imported where it computes: most pages
need it for nothing.
"""

from __future__ import annotations

from typing import Any, Final

MANY: Final = 1_000_000
"""Means are made whole numbers of this many rows: sacrebleu's smoothing asks whether a count is zero."""


def chrf(means: list[float]) -> float:
    """chrF, from 0 to 100 (Popovic 2015)."""
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - see the module's docstring

    scorer: Any = CHRF()
    return float(scorer._compute_score_from_stats(means).score)


def bleu(means: list[float]) -> float:
    """BLEU, from 0 to 100 (Papineni et al. 2002)."""
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415

    return float(BLEU()._compute_score_from_stats([round(MANY * mean) for mean in means]).score)
