"""A model whose word embeddings have changed while its output layer has not: it says that they are no longer tied.

transformers would otherwise tie them again when the saved model is loaded. Where an encoder and a decoder read the same
table, each then has one of its own, as such a configuration has it. This module changes no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from affina.models.layers import Layer


@contextmanager
def untied(module: Any, changed: Sequence[Layer]) -> Iterator[None]:
    """While the block runs, the configuration says that the output layer has a matrix of its own, where it now has.

    Args:
        module: a transformers model in which the layers' new matrices are already in place.
        changed: the embeddings that have another matrix than before; the caller puts the former ones back.
    """
    config = module.config
    words, output = module.get_input_embeddings(), module.get_output_embeddings()
    apart = output is not None and any(words in layer.modules for layer in changed)
    before = config.tie_word_embeddings
    if not apart or not before:
        yield
        return
    try:
        config.tie_word_embeddings = False
        for layer in changed:
            for other in layer.modules[1:]:
                other.weight = nn.Parameter(other.weight.detach().clone(), requires_grad=False)
        yield
    finally:
        config.tie_word_embeddings = before
