"""The float32 matrix peak of this process: what shares of it are told against."""

from __future__ import annotations

import time

import torch


def matrix_peak(*sides: int, repeats: int) -> float:
    """Operations a processor second of square float32 products of these sides, the best of so many of each."""
    best = 0.0
    for side in sides:
        one, other = torch.randn(2, side, side)
        for _ in range(repeats):
            started = time.process_time()
            one @ other
            best = max(best, 2 * side**3 / (time.process_time() - started))
    return best
