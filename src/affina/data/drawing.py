"""Which of many are looked at: places that a seed draws, the same ones each time."""

from __future__ import annotations

import numpy as np


def drawn_places(count: int, *, most: int | None, seed: int) -> list[int]:
    """At most so many of `count` places, in order; all of them where `most` is None."""
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())
