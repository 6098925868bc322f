"""The last block for the first position alone, where the head reads nothing else.

The heads of BERT's kin look at the first position only; every other output of the last block is computed for nobody.
There keys and values are needed of all positions, the queries, the output projection and the feed-forward network of
one: 2 of 12 matrix products, so a model of six blocks saves a seventh of its work, forward and backward. It is exact
(only the order of float sums differs). Whether a head reads the first position alone, and whether the result is the
model's own, is found by trying, when the model is loaded (`trial`); elsewhere the model runs whole.

Owns the blocks' layouts that it knows. It does not decide when the short way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from affina.models.anatomy import Anatomy
from affina.models.heads import head_logits, hidden_states
from affina.models.longer import has_prefix
from affina.models.standing_in import stands_in

Block = Callable[[Any, Tensor, Tensor | None], Tensor]
"""A block, states [B, T, H] that enter it and the attention mask [B, 1, T, T] or None, to its first state [B, 1, H]."""

_CLOSE: Final = 1e-5
"""Of the largest logit: what the order of float32 sums may change."""


def states_for_head(module: Any, anatomy: Anatomy, inputs: Mapping[str, Tensor]) -> Tensor:
    """The backbone's last hidden states, as far as the head reads them.

    Args:
        module: a classification model.
        anatomy: its own; tells whether the first position is enough.
        inputs: as for `hidden_states`.

    Returns:
        [B, 1, H] where the first position is enough, else [B, T, H].
    """
    # a prefix is in the cache or in attention, neither of which the short way has
    alone = anatomy.first_alone and not has_prefix(module)
    return _first_states(module, anatomy, inputs) if alone else hidden_states(module, inputs)


def reads_first_alone(module: Any, anatomy: Anatomy, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the head reads nothing but the first position, and the short way gives the logits of the whole one.

    Args:
        module: a classification model in evaluation mode.
        anatomy: where its blocks are.
        inputs: texts of different lengths, padded on the right.
    """
    if module.config.model_type not in _LAYOUTS:
        return False
    with torch.inference_mode():
        hidden = hidden_states(module, inputs)
        whole = head_logits(module, hidden, inputs)
        try:
            alone = head_logits(module, hidden[:, :1], inputs)
            short = head_logits(module, _first_states(module, anatomy, inputs), inputs)
        except Exception:  # a head that looks for a token's place in the text, a block that changed: run it whole
            return False
    close = _CLOSE * float(whole.abs().max())
    return torch.equal(alone, whole) and float((short - whole).abs().max()) <= close


def _first_states(module: Any, anatomy: Anatomy, inputs: Mapping[str, Tensor]) -> Tensor:
    with _first_only(module.get_submodule(anatomy.blocks[-1]), _LAYOUTS[module.config.model_type]):
        return hidden_states(module, inputs)


def _first_only(block: Any, way: Block) -> AbstractContextManager[None]:
    """For one call of the backbone, let its last block give the first position alone."""

    def forward(hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        return way(block, hidden_states, attention_mask)

    return stands_in(block, forward)


def _bert(block: Any, states: Tensor, mask: Tensor | None) -> Tensor:
    attention, first = block.attention.self, states[:, :1]
    projections = attention.query(first), attention.key(states), attention.value(states)
    mixed = block.attention.output(_attend(attention, *projections, mask=mask), first)
    found: Tensor = block.output(block.intermediate(mixed), mixed)
    return found


def _distilbert(block: Any, states: Tensor, mask: Tensor | None) -> Tensor:
    attention, first = block.attention, states[:, :1]
    projections = attention.q_lin(first), attention.k_lin(states), attention.v_lin(states)
    mixed = block.sa_layer_norm(attention.out_lin(_attend(attention, *projections, mask=mask)) + first)
    found: Tensor = block.output_layer_norm(block.ffn(mixed) + mixed)
    return found


_LAYOUTS: Final[Mapping[str, Block]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie"), _bert),
    "distilbert": _distilbert,
}
"""Model type to the way through its last block. A table, since a block of the same parts can attend in another way."""


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None) -> Tensor:
    """Attention of the first position: [B, 1, H], [B, T, H], [B, T, H] to [B, 1, H]."""
    size = attention.attention_head_size
    heads = [states.view(*states.shape[:2], -1, size).transpose(1, 2) for states in (query, key, value)]
    mixed = functional.scaled_dot_product_attention(
        heads[0],
        heads[1],
        heads[2],
        attn_mask=None if mask is None else mask[..., :1, :],
        dropout_p=attention.dropout.p if attention.training else 0.0,
        scale=attention.scaling,
    )
    return mixed.transpose(1, 2).flatten(-2)
