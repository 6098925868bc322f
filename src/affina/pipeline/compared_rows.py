"""The rows on which a tuned model is compared with itself: some that it was trained on, and some that it was not."""

from __future__ import annotations

from typing import Final

import numpy as np

from affina.data.canaries import own_count
from affina.pipeline.prepared import Prepared
from affina.record.figures import LEAST_ROWS
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.overfitting import NAME

MOST_ROWS: Final = 1_000
"""Of a split: more would make the interval little shorter."""
SPLITS: Final = ("train", "validation")


def compared_rows(run: Prepared, allowance: Allowance, *, each: float) -> dict[str, list[int]] | Probed:
    """Split to the places of its rows, drawn by the seed, or why none are read.

    As many validation rows as may be read, and as many training rows, or all of these where there are fewer.

    Args:
        run: its rows.
        allowance: how much may be read.
        each: tokens that are read for a training row and a validation row together.
    """
    most = min(MOST_ROWS, len(run.rows["validation"]))
    refused = allowance.refused("overfitting", NAME, each=each, least=min(LEAST_ROWS, most))
    if refused is not None:
        return refused
    count = allowance.rows("overfitting", each=each, most=most)
    generator = np.random.default_rng(run.recipe.seed)
    return {split: sorted(generator.permutation(own_count(run.rows[split]))[:count].tolist()) for split in SPLITS}


def mean_tokens(run: Prepared) -> float:
    """Of a training row and a validation row together."""
    return float(sum(np.mean(run.subject.lengths[split]) for split in SPLITS))
