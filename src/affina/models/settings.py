"""What Affina sets in a model's configuration and tokenizer before and after loading: labels, dropout, padding, limits.

This module reads and writes settings only; weights are loaded in `classifier`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from torch import nn

from affina.errors import ModelError, Problem
from affina.models.quiet import Notify

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
THRESHOLDS: Final = "label_thresholds"
"""The key of config.json with the probability from which each label is given."""
UNITS: Final = "label_units"
"""The key with `shift` and `scale`, where a regression's number is shift + scale * logit and not the logit itself."""
_DROPOUT_ENDINGS: Final = ("dropout", "pdrop", "dropout_prob", "dropout_rate")
_NO_LIMIT: Final = 10**9
"""A tokenizer without a limit of its own reports a number far above this one, or one that is no length."""
_LENGTH_NOTICE: Final = "sequence-length-is-longer-than-the-specified-maximum"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """What a model's outputs stand for.

    Attributes:
        labels: the name of each output, in the order of the logits.
        problem: transformers' word for what they are, which `problem_type` in config.json says.
        mean: of the training rows' numbers, for a regression.
        deviation: their standard deviation; 0 leaves the numbers as they are.
    """

    labels: tuple[str, ...]
    problem: ProblemType = "single_label_classification"
    mean: float = 0.0
    deviation: float = 0.0


def head_of(config: Any) -> HeadSpec:
    """What a checkpoint's outputs stand for, as its configuration says."""
    labels = tuple(config.id2label[number] for number in sorted(config.id2label))
    return HeadSpec(labels=labels, problem=config.problem_type or "single_label_classification")


def same_head(config: Any, head: HeadSpec) -> bool:
    """Tell whether the checkpoint was trained for exactly these outputs in this order."""
    found = head_of(config)
    return (found.labels, found.problem) == (head.labels, head.problem)


def set_head(config: Any, head: HeadSpec) -> None:
    """Name the model's outputs, so that they carry the user's own labels."""
    config.id2label = dict(enumerate(head.labels))
    config.label2id = {label: number for number, label in enumerate(head.labels)}
    config.problem_type = head.problem
    for key, problem in ((THRESHOLDS, "multi_label_classification"), (UNITS, "regression")):
        if config.to_dict().get(key) is not None and head.problem != problem:
            delattr(config, key)


def thresholds_of(config: Any) -> dict[str, float] | None:
    """The probability from which each label is given, as an exported multi-label model says; None where it does not."""
    found: dict[str, float] | None = config.to_dict().get(THRESHOLDS)
    return found


def set_thresholds(config: Any, thresholds: Mapping[str, float]) -> None:
    """Write them where a reader of config.json finds them."""
    setattr(config, THRESHOLDS, dict(thresholds))


def set_plain_outputs(config: Any) -> None:
    """Ask for the logits by name and for nothing beside them, whatever the checkpoint was last used for.

    The key-value cache of decoders is a copy of the states that nobody reads: whoever classifies reads a text once.
    """
    config.return_dict = True
    config.output_hidden_states = False
    config.output_attentions = False
    if "use_cache" in config.to_dict():
        config.use_cache = False


def dropout_rates(config: Any) -> dict[str, float]:
    """Return every dropout rate of the configuration by its name; one that is unset follows another."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if name.endswith(_DROPOUT_ENDINGS) and isinstance(value, int | float) and not isinstance(value, bool)
    }


def set_dropout(config: Any, rates: Mapping[str, float]) -> None:
    """Replace dropout rates of the configuration, given by their names."""
    for name, rate in rates.items():
        setattr(config, name, rate)


def replace_dropout(config: Any, rate: float | None, *, notify: Notify) -> Mapping[str, float]:
    """Replace every dropout rate of the configuration by one; the rates as they were.

    Args:
        config: the model's.
        rate: None leaves them.
        notify: told where there are none.
    """
    rates = dropout_rates(config)
    if rate is not None:
        set_dropout(config, dict.fromkeys(rates, rate))
        if not rates:
            notify(f"train.dropout has no effect: a {config.model_type} model has no dropout")
    return rates


def set_special_tokens(module: Any, tokenizer: Any) -> None:
    """Read special tokens in a text as the letters they are, where the embeddings have no row for one of them.

    Such a token is one that nobody trained: a tokenizer class adds those it knows, and people add one for padding.
    """
    rows = module.get_input_embeddings().num_embeddings
    if any(number >= rows and token.special for number, token in tokenizer.added_tokens_decoder.items()):
        tokenizer.split_special_tokens = True
        tokenizer.init_kwargs["split_special_tokens"] = True  # what is saved


def set_no_notices(tokenizer: Any) -> None:
    """Let the tokenizer measure long texts without a warning: what is cut is counted and said by the task."""
    tokenizer.deprecation_warnings[_LENGTH_NOTICE] = True


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


def length_limit(module: Any, tokenizer: Any | None) -> int | None:
    """Return the longest input in tokens, special tokens included, or None for a model without a limit of its own.

    Args:
        module: the model, which may have a last position.
        tokenizer: its tokenizer, which may know a limit; None where that is only the limit of the run that saved it.
    """
    limits = [tokenizer.model_max_length] if tokenizer is not None else []
    limits = [limit for limit in limits if 0 < limit < _NO_LIMIT]
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
