"""How large a model its configuration promises, held against the weights that are there, before any memory is taken.

A configuration that is not the weights', or one made to do harm, could ask for any amount of memory. The model is laid
out without any, and its numbers are counted. This module loads nothing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors import safe_open

from affina.errors import ModelError, Problem
from affina.models.folders import weight_files

MOST_TIMES: Final = 2.0
"""So many times the numbers of the weights: a task's head and a pooler may be new,"""
FREE: Final = 2**24
"""and so many more, for models that are smaller than their heads (64 MiB in float32)."""


SPARE: Final = 64
"""Blocks that a model may have beyond the tensors of its weights: some families run the same block again and again."""
DEPTHS: Final = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")
"""Where configurations say how many blocks there are,"""
OF_A_DECODER: Final = "num_decoder_layers"
"""and how many of a decoder beside an encoder."""


class There(NamedTuple):
    """What the weights are, by their headers: numbers, and the tensors that these make."""

    numbers: int
    tensors: int


def weights_in(folder: Path) -> There:
    """What the weights of a folder are."""
    sizes = list[int]()
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            sizes += [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    return There(sum(sizes), len(sizes))


def laid_out(build: Any, config: Any, *, there: There, where: str) -> Any:
    """The model without memory for its weights; a configuration of a far larger one than these are is refused.

    Args:
        build: one of transformers' `AutoModelFor...`.
        config: the model's configuration.
        there: what the weights are.
        where: what the user wrote.

    Raises:
        ModelError: it is.
    """
    given = config.to_dict()
    depth = max((given[key] for key in (*DEPTHS, OF_A_DECODER) if isinstance(given.get(key), int)), default=0)
    if depth > there.tensors + SPARE:  # a block takes memory by itself
        raise ModelError(_other(where, f"{depth:,} blocks", f"{there.tensors:,} tensors"))
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module = build.from_config(config)
    promised = sum(tensor.numel() for tensor in module.parameters())
    if promised > MOST_TIMES * there.numbers + FREE:
        raise ModelError(_other(where, f"{promised:,} numbers", f"{there.numbers:,}"))
    return module


def _other(where: str, promised: str, found: str) -> Problem:
    return Problem(
        where=where,
        expected=f"the weights of a model of {promised}, as its configuration says",
        found=f"weights of {found}",
        fix="take the configuration and the weights of one and the same model",
    )
