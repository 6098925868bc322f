"""A loaded model is tried out before anything is written: whatever would stop a run later stops it here.

Its weights must be numbers, its embeddings must have a row for every token, and its two halves (`heads`) must make up
the whole. This module repairs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from affina.errors import AffinaError, ModelError, Problem
from affina.models.anatomy import Anatomy, describe
from affina.models.first_position import reads_first_alone
from affina.models.heads import head_logits, hidden_states
from affina.models.quiet import Notify, quiet

_TEXTS: Final = ("one", "one two three four")
"""Of different lengths, so that one of them is padded."""
_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})
"""What a task gives to a model."""
_MOST_MOVED: Final = 1e-2
"""Share of the largest logit by which padding may move one: far above what summing in another order does."""
_ANOTHER: Final = "choose another model, such as starter/encoder"


def check_numbers(module: Any, *, where: str) -> None:
    """Refuse weights with a NaN or an infinity in them.

    Raises:
        ModelError: naming the first such tensor.
    """
    for name, parameter in module.named_parameters():
        if not (finite := parameter.detach().isfinite()).all():
            raise ModelError(
                Problem(
                    where=where,
                    expected="weights that are finite numbers",
                    found=f"{int((~finite).sum()):,} of {parameter.numel():,} in {name} are NaN or infinite",
                    fix="fetch or save the weights again from a model that was not damaged, or choose another model",
                )
            )


def check_vocabulary(module: Any, tokenizer: Any, *, where: str) -> None:
    """Refuse a tokenizer with a token that the embeddings have no row for: a text that has it would end the run.

    Special tokens are no matter: no text becomes one that has no row (`settings.set_special_tokens`).

    Raises:
        ModelError: naming such tokens.
    """
    rows = module.get_input_embeddings().num_embeddings
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    numbers = {number: token for token, number in tokenizer.get_vocab().items() if number not in special}
    beyond = sorted((number, token) for number, token in numbers.items() if number >= rows)
    if beyond:
        shown = ", ".join(f"{token!r} is {number}" for number, token in beyond[:3])
        raise ModelError(
            Problem(
                where=where,
                expected=f"a tokenizer whose tokens are numbered below {rows}, the rows of the embeddings",
                found=f"{len(beyond):,} beyond them: {shown}",
                fix="give the folder the tokenizer that belongs to its weights, or add the rows once with "
                "model.resize_token_embeddings(len(tokenizer)) and save the model again",
            )
        )


def try_out(module: Any, tokenizer: Any, *, where: str, notify: Notify) -> Anatomy:
    """Run a few tokens through the model, whole, in halves and the short way; return its anatomy.

    Args:
        module: the classification model, in evaluation mode.
        tokenizer: its tokenizer, ready to pad.
        where: what the user wrote as `model:`.
        notify: told when the padding beside a text changes what the model says of it.

    Raises:
        ModelError: the model cannot be run on texts alone, or its halves are not the whole.
    """
    try:
        with quiet():
            anatomy = describe(module)
            inputs = _encode(tokenizer)
            same, moved = _run(module, inputs)
            anatomy = replace(anatomy, first_alone=reads_first_alone(module, anatomy, inputs))
    except AffinaError:
        raise
    except Exception as error:  # a family's own code, given inputs that it may not be made for
        said = (str(error).strip().splitlines() or [""])[0]
        raise _unusable(module, f"it stops with {type(error).__name__}: {said}"[:300], where=where) from error
    if not same:
        raise _unusable(module, "its head needs more than the hidden states of its backbone", where=where)
    if moved > _MOST_MOVED:
        notify(f"a {type(module).__name__} answers differently when a text is padded, by {moved:.0%} of a logit here")
    return anatomy


def _encode(tokenizer: Any) -> dict[str, Tensor]:
    encoded = tokenizer(list(_TEXTS), padding=True, return_tensors="pt")
    return {name: tensor for name, tensor in encoded.items() if name in _INPUTS}


def _run(module: Any, inputs: Mapping[str, Tensor]) -> tuple[bool, float]:
    """Tell whether the halves give the logits of the whole, and how far padding moves them, relative to the largest."""
    length = int(inputs["attention_mask"][0].sum())
    with torch.inference_mode():
        whole = module(**inputs).logits
        same = torch.equal(head_logits(module, hidden_states(module, inputs), inputs), whole)
        alone = module(**{name: tensor[:1, :length] for name, tensor in inputs.items()}).logits
    return same, float((whole[:1] - alone).abs().max() / whole.abs().max())


def _unusable(module: Any, found: str, *, where: str) -> ModelError:
    return ModelError(
        Problem(
            where=where,
            expected="a model that classifies texts by a backbone and, on its hidden states, a head",
            found=f"a {type(module).__name__}: {found}",
            fix=_ANOTHER,
        )
    )
