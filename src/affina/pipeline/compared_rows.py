"""The rows on which a tuned model is compared with itself: some that it was trained on, and some that it was not."""

from __future__ import annotations

from collections.abc import Mapping
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


def compared_rows(run: Prepared, allowance: Allowance, *, each: Mapping[str, float]) -> dict[str, list[int]] | Probed:
    """Split to the places of its rows, drawn by the seed, or why none are read.

    As many validation rows as may be read, and as many training rows; where all of these are fewer, validation rows are
    read in place of those that are lacking.

    Args:
        run: its rows.
        allowance: how much may be read.
        each: split to the tokens that are read for one of its rows.
    """
    most, own = min(MOST_ROWS, len(run.rows["validation"])), {split: own_count(run.rows[split]) for split in SPLITS}
    pair = sum(each.values())
    refused = allowance.refused("overfitting", NAME, each=pair, least=min(LEAST_ROWS, most))
    if refused is not None:
        return refused
    count = allowance.rows("overfitting", each=pair, most=most)
    counts = dict.fromkeys(SPLITS, count)
    if own["train"] < count < most:
        counts["validation"] = min(most, int((count * pair - own["train"] * each["train"]) / each["validation"]))
    generator = np.random.default_rng(run.recipe.seed)
    return {split: sorted(generator.permutation(own[split])[: counts[split]].tolist()) for split in SPLITS}


def mean_tokens(run: Prepared) -> dict[str, float]:
    """Split to the mean length of its rows."""
    return {split: float(np.mean(run.subject.lengths[split])) for split in SPLITS}
