"""A classification model cut in two: the backbone that gives hidden states, and the head that makes logits of them.

The head is whatever transformers defines for the family, run by the model's own forward with the backbone stepping
aside, so that the two halves put together are the model itself, float for float; `trial` checks that of every model
that is loaded. This module owns no head of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, final

from torch import Tensor, nn

from affina.models.standing_in import stands_in


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
    with backbone_gives(module, hidden, pooled=True):
        logits: Tensor = module(**inputs).logits
    return logits


@final
class _Output:
    """What a head is given in the place of its backbone's output: two tensors, and nothing else that was computed.

    Each family has an output type of its own, whose further fields (caches, attentions, memories) its head hands on
    unread; here they are all None.
    """

    def __init__(self, hidden: Tensor, pooled: Tensor | None) -> None:
        self.last_hidden_state = hidden
        self.pooler_output = pooled

    def __getitem__(self, place: int) -> Tensor:
        return [state for state in (self.last_hidden_state, self.pooler_output) if state is not None][place]

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def backbone_gives(module: Any, hidden: Tensor, *, pooled: bool) -> AbstractContextManager[None]:
    """While the block runs, let the backbone return `hidden` without running a block.

    Args:
        module: a classification model.
        hidden: in the place of its last hidden states.
        pooled: whether its pooler, where it has one, makes its view of it, too.
    """
    backbone = module.base_model

    def give(*_: Any, **__: Any) -> _Output:
        return _Output(hidden, _pooled(backbone, hidden) if pooled else None)

    return stands_in(backbone, give)


def _pooled(backbone: nn.Module, hidden: Tensor) -> Tensor | None:
    """Return the backbone's pooled state, [B, H], or None where it has no pooler."""
    children = dict(backbone.named_children())
    pooler: Any = children.get("pooler")
    if pooler is None:
        return None
    pooled: Tensor
    if isinstance(pooler, nn.Linear):  # ALBERT and BigBird keep the layer and its activation apart, one after the other
        names = list(children)
        activation: Any = children[names[names.index("pooler") + 1]]
        pooled = activation(pooler(hidden[:, 0]))
    else:
        pooled = pooler(hidden)
    return pooled
