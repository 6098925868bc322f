"""Activation checkpointing (Chen et al. 2016): blocks keep what enters them, and run again in the backward pass.

It is transformers' own, in torch's form that does not re-enter autograd and draws the same random numbers again. A
block is run again only while it is in training mode, so that what lies below all that trains is not. This module
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers.modeling_layers import GradientCheckpointingLayer

from affina.models.anatomy import Anatomy


def can_checkpoint(module: Any, anatomy: Anatomy) -> bool:
    """Whether every block of a model can be run again."""
    blocks = (module.get_submodule(path) for path in anatomy.blocks)
    return bool(module.supports_gradient_checkpointing) and all(
        isinstance(block, GradientCheckpointingLayer) for block in blocks
    )


def set_checkpointing(module: Any, *, on: bool) -> None:
    """Let a model's blocks be run again in the backward pass, or keep what they computed."""
    if not on:
        module.activation_checkpointing_disable()
        return
    module.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    # it lets the embeddings' output require a gradient, for torch's other form: frozen blocks would be gone through
    module.disable_input_require_grads()


@contextmanager
def checkpointing(module: Any, *, on: bool) -> Iterator[None]:
    """The same while the block runs, backward passes and all: T5 looks there again at what is on."""
    before = module.is_activation_checkpointing
    if before == on:
        yield
        return
    set_checkpointing(module, on=on)
    try:
        yield
    finally:
        set_checkpointing(module, on=before)
