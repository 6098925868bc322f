"""Virtual tokens before a model's input: embeddings that no word has, put in where words are looked up.

They are put in by the forward of the backbone, or of the encoder where there is one, and taken out of what it returns,
so that whatever runs the model sees the tokens that it gave. Positions and masks are those of the longer input: the
virtual tokens come first, then the row with its padding, on whichever side. In generation they are put in once, and
stay in the cache.

PEFT's convention holds for heads that read the first position, as BERT's do: they read that of the first virtual token,
which is handed on in the place of the first token's. This module trains nothing and knows no method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from affina.models.anatomy import Anatomy, two_tokens
from affina.models.heads import head_logits, hidden_states
from affina.models.longer import before, past_of, places_of, stand_in

Prompt = Callable[[], Tensor]
"""Gives the virtual tokens, [length, width of the word embeddings]."""


def reader(module: Any) -> Any:
    """The part of a model that reads its input: an encoder-decoder's encoder, else what the whole model calls first."""
    if module.config.is_encoder_decoder:
        return module.get_encoder()
    parts = {path: child for path, child in module.named_modules() if path and isinstance(child, PreTrainedModel)}
    called: list[Any] = []
    handles = [child.register_forward_pre_hook(lambda part, _: called.append(part)) for child in parts.values()]
    try:
        with torch.no_grad():
            module(**two_tokens(module))
    finally:
        for handle in handles:
            handle.remove()
    return called[0] if called else module.base_model


@final
class VirtualTokens:
    """A model with virtual tokens before its input.

    Args:
        module: the model.
        anatomy: its own.
        prompt: gives the virtual tokens.
        length: how many.
    """

    def __init__(self, module: Any, anatomy: Anatomy, prompt: Prompt, *, length: int) -> None:
        self.module, self.length = module, length
        self._prompt = prompt
        self._reader = reader(module)
        self._decoder = module.get_decoder() if module.config.is_encoder_decoder else None
        self._names = inspect.signature(type(self._reader).forward)
        self._first_reads = bool(anatomy.head) and reads_first(module)

    def attach(self) -> None:
        """Put the forwards with the virtual tokens in the place of the model's own."""
        stand_in(self._reader, self._read)
        if self._decoder is not None:
            stand_in(self._decoder, self._attend)

    def detach(self) -> None:
        """Bring the model's own forwards back."""
        del self._reader.forward
        if self._decoder is not None:
            del self._decoder.forward

    def _read(self, arguments: dict[str, Any]) -> Any:
        past = past_of(arguments.get("past_key_values"))
        self._lengthen(arguments, past=past)
        made = type(self._reader).forward(self._reader, **arguments)
        return made if past else self._strip(made, arguments["inputs_embeds"].shape[1])

    def _lengthen(self, arguments: dict[str, Any], *, past: int) -> None:
        """The arguments for the longer input; where the virtual tokens are in the cache, their places alone."""
        ids = arguments.get("input_ids")
        words: Tensor = arguments["inputs_embeds"] if ids is None else self._reader.get_input_embeddings()(ids)
        rows = words.shape[0]
        if arguments.get("attention_mask") is not None:
            arguments["attention_mask"] = before(arguments["attention_mask"], self.length, value=1)
        places = places_of(arguments, self._names, length=self.length, rows=rows, tokens=words.shape[1])
        if past:
            arguments["position_ids"] = places
            return
        prompt = self._prompt().to(words.dtype).expand(rows, -1, -1)
        arguments |= {"input_ids": None, "inputs_embeds": torch.cat([prompt, words], dim=1)}
        if arguments.get("token_type_ids") is not None:
            arguments["token_type_ids"] = before(arguments["token_type_ids"], self.length, value=0)
        if places is not None:
            first = torch.arange(self.length, device=places.device).expand(rows, -1)
            arguments["position_ids"] = torch.cat([first, places], dim=1)

    def _strip(self, made: Any, whole: int) -> Any:
        """What the backbone returned, for the tokens that it was given."""
        states: Tensor = made.last_hidden_state
        if self._decoder is not None or states.shape[1] != whole:  # the last block was run for the first position alone
            return made
        kept = states[:, self.length :]
        if self._first_reads:
            kept = torch.cat([states[:, :1], kept[:, 1:]], dim=1)
        made["last_hidden_state"] = kept
        return made

    def _attend(self, arguments: dict[str, Any]) -> Any:
        """The decoder, its view of the encoder as long as that is now."""
        states, mask = arguments.get("encoder_hidden_states"), arguments.get("encoder_attention_mask")
        if mask is not None and mask.ndim == 2 and states is not None and mask.shape[1] < states.shape[1]:
            arguments["encoder_attention_mask"] = before(mask, self.length, value=1)
        decoder: Any = self._decoder
        return type(decoder).forward(decoder, **arguments)


def reads_first(module: Any) -> bool:
    """Whether a classifier's head reads the first position and no other: found by changing the others."""
    inputs = two_tokens(module)
    with torch.no_grad():
        hidden = hidden_states(module, inputs)
        try:
            whole, other = (head_logits(module, states, inputs) for states in (hidden, _others_changed(hidden)))
        except Exception:  # a head that looks for a token's place in the text
            return False
    return torch.equal(whole, other)


def _others_changed(hidden: Tensor) -> Tensor:
    changed = hidden.clone()
    changed[:, 1:] += 1
    return changed
