"""How large a model its configuration promises, held against the weights that are there, before any memory is taken.

A configuration that is not the weights', or one made to do harm, could ask for any amount of memory. The model is laid
out without any, and its numbers are counted. This module loads nothing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open

from affina.errors import ModelError, Problem
from affina.models.folders import weight_files

MOST_TIMES: Final = 2.0
"""So many times the numbers of the weights: a task's head and a pooler may be new,"""
FREE: Final = 2**24
"""and so many more, for models that are smaller than their heads (64 MiB in float32)."""


def numbers_in(folder: Path) -> int:
    """How many numbers the weights of a folder have, by their headers."""
    found = 0
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            found += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return found


def check_promised(build: Any, config: Any, *, there: int, where: str) -> None:
    """Stop at a configuration of a far larger model than the weights are of.

    Args:
        build: one of transformers' `AutoModelFor...`.
        config: the model's configuration.
        there: numbers that the weights have.
        where: what the user wrote.

    Raises:
        ModelError: it is.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module = build.from_config(config)
    promised = sum(tensor.numel() for tensor in module.parameters())
    if promised > MOST_TIMES * there + FREE:
        raise ModelError(
            Problem(
                where=where,
                expected=f"the weights of a model of {promised:,} numbers, as its configuration says",
                found=f"weights of {there:,}",
                fix="take the configuration and the weights of one and the same model",
            )
        )
