"""Whether padding in front of a prompt changes what a model writes, found by trying.

One with states in place of attention reads it like any other token.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from transformers import GenerationConfig

from affina.models.language import LanguageModel

PROMPT: Final = 3
GAP: Final = 2
"""Tokens of padding in front of it."""
MOST_MOVED: Final = 1e-2
"""Share of the largest logit by which padding may move one: far above what summing in another order does."""


@torch.inference_mode()
def reads_padding(model: LanguageModel) -> bool:
    """Whether it does: prompts of one length only can be written for together.

    Args:
        model: in evaluation mode. What an encoder reads is padded behind its end, which none was seen to read.
    """
    if model.reads_apart:
        return False
    tokens = torch.arange(PROMPT, device=next(model.module.parameters()).device) + 1
    alone = _next(model, tokens[None], torch.ones_like(tokens[None]))
    ids = torch.cat([tokens.new_full((GAP,), model.tokenizer.pad_token_id), tokens])[None]
    padded = _next(model, ids, (torch.arange(GAP + PROMPT, device=ids.device) >= GAP).long()[None])
    return bool((padded - alone).abs().max() > MOST_MOVED * alone.abs().max())


def _next(model: LanguageModel, ids: Tensor, mask: Tensor) -> Tensor:
    """The next token's logits, as generation comes by them; a checkpoint's sampling settings are none of it."""
    how = GenerationConfig(
        max_new_tokens=1,
        do_sample=False,
        num_beams=1,
        pad_token_id=model.tokenizer.pad_token_id,
        output_logits=True,
        return_dict_in_generate=True,
    )
    made = model.module.generate(input_ids=ids, attention_mask=mask, generation_config=how)
    logits: Tensor = made.logits[0].float()
    return logits
