"""A classification model cut in two: the backbone that gives hidden states, and the head that makes logits of them.

The head is whatever transformers defines for the family, run by the model's own forward with the backbone stepping
aside, so that the two halves put together are the model itself, float for float. This module owns no head of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions


def hidden_states(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Run the backbone alone.

    Args:
        module: a classification model.
        inputs: what the tokenizer gives for a batch: `input_ids` [B, T], `attention_mask` [B, T], ...

    Returns:
        The backbone's last hidden states, [B, T, H].
    """
    states: Tensor = module.base_model(**inputs).last_hidden_state
    return states


def head_logits(module: Any, hidden: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """Run the model's own head on given hidden states; gradients flow into both.

    Not safe to call from two threads on one model at once.

    Args:
        module: a classification model.
        hidden: last hidden states of the backbone, [B, T, H].
        inputs: the batch they were computed from; heads read the mask or the tokens to find their positions.

    Returns:
        Logits, [B, C].
    """
    with _backbone_gives(module, hidden):
        logits: Tensor = module(**inputs).logits
    return logits


@contextmanager
def _backbone_gives(module: Any, hidden: Tensor) -> Iterator[None]:
    """For one call, let the backbone return `hidden` (and its pooler's view of it) without running a block."""
    backbone = module.base_model

    def give(*_: Any, **__: Any) -> Any:
        # a model output counts only what is set, so the pooled state stands second here as it does in the real one
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=hidden, pooler_output=_pooled(backbone, hidden)
        )

    # an attribute of the instance shadows the class's method; deleting it brings the method back
    before = backbone.__dict__.get("forward")
    backbone.forward = give
    try:
        yield
    finally:
        if before is None:
            del backbone.forward
        else:
            backbone.forward = before


def _pooled(backbone: nn.Module, hidden: Tensor) -> Tensor | None:
    """Return the backbone's pooled state, [B, H], or None where it has no pooler."""
    pooler: Any = dict(backbone.named_children()).get("pooler")
    if pooler is None:
        return None
    pooled: Tensor
    if isinstance(pooler, nn.Linear):  # ALBERT keeps the layer and its activation apart, beside each other
        pooled = backbone.get_submodule("pooler_activation")(pooler(hidden[:, 0]))
    else:
        pooled = pooler(hidden)
    return pooled
