"""What Affina sets in a model's configuration and tokenizer before and after loading: labels, dropout, padding, limits.

This module reads and writes settings only; weights are loaded in `classifier`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from torch import nn

from affina.errors import ModelError, Problem
from affina.models.quiet import Notify

_DROPOUT_ENDINGS: Final = ("dropout", "pdrop", "dropout_prob", "dropout_rate")
_NO_LIMIT: Final = 10**9
"""A tokenizer without a limit of its own reports a number far above this one."""


def same_labels(config: Any, labels: Sequence[str]) -> bool:
    """Tell whether the checkpoint was trained for exactly these labels in this order."""
    return [config.id2label[number] for number in sorted(config.id2label)] == list(labels)


def set_labels(config: Any, labels: Sequence[str]) -> None:
    """Name the model's classes, so that its outputs carry the user's own labels."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = "single_label_classification"


def set_no_cache(config: Any) -> None:
    """Turn off the key-value cache of decoders: whoever classifies reads the text once, and the cache is a copy."""
    if "use_cache" in config.to_dict():
        config.use_cache = False


def set_dropout(config: Any, dropout: float, *, notify: Notify) -> None:
    """Replace every dropout rate of the configuration; one that is unset follows another and is left so."""
    rates = [
        name
        for name, value in config.to_dict().items()
        if name.endswith(_DROPOUT_ENDINGS) and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    for name in rates:
        setattr(config, name, dropout)
    if not rates:
        notify(f"train.dropout has no effect: a {config.model_type} model has no dropout")


def set_padding(module: Any, tokenizer: Any, *, where: str) -> None:
    """Pad on the right, with a token that the model already has; no token is added.

    Raises:
        ModelError: the tokenizer has no token that could pad.
    """
    rows = module.get_input_embeddings().num_embeddings
    choices = (tokenizer.pad_token, tokenizer.eos_token, tokenizer.unk_token)
    usable = [token for token in choices if token is not None and tokenizer.convert_tokens_to_ids(token) < rows]
    if not usable:
        raise ModelError(
            Problem(
                where=where,
                expected="a tokenizer with a padding, end or unknown token, which shorter texts are filled up with",
                found="none of them",
                fix="set `pad_token` in the model's tokenizer_config.json to a token of its vocabulary",
            )
        )
    tokenizer.pad_token = usable[0]
    tokenizer.padding_side = "right"
    # after loading: an embedding that is built with a padding row gives that row no gradient, and here the padding
    # token may be one that texts use
    module.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    module.config.pad_token_id = tokenizer.pad_token_id


def length_limit(module: Any, tokenizer: Any) -> int | None:
    """Return the longest input in tokens, special tokens included, or None for a model without a limit of its own."""
    limits = [] if tokenizer.model_max_length >= _NO_LIMIT else [tokenizer.model_max_length]
    positions = module.config.get_text_config().to_dict().get("max_position_embeddings")
    if positions is None:
        positions = module.config.get_text_config().to_dict().get("n_positions")
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, child in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(child, nn.Embedding) and child.padding_idx is not None:
            # RoBERTa and its kin count positions from the padding row on
            limits.append(child.num_embeddings - child.padding_idx - 1)
    return min(limits, default=None)
