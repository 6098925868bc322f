"""How likely an encoder holds a token that it does not see: a text with one token hidden, many of them at once.

What is summed over which tokens is the caller's (Salazar et al. 2020 hide each token of a text in turn and call the sum
its pseudo-log-likelihood). This module loads no head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from affina.data.batching import by_length
from affina.evaluation.intervals import Floats
from affina.models.classifier import Classifier
from affina.models.heads import hidden_states
from affina.models.masked_head import MaskedHead
from affina.models.output_layer import OwnLogits
from affina.tasks.base import Example
from affina.tasks.texts import pad
from affina.tasks.token_loss import token_losses


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text with a token hidden.

    Attributes:
        ids: its tokens, the mask token in the place of the hidden one.
        types: their token types; None where the model has none.
        place: of the hidden token.
        token: what it is.
    """

    ids: tuple[int, ...]
    types: tuple[int, ...] | None
    place: int
    token: int


@torch.inference_mode()
def log_probabilities(
    model: Classifier,
    head: MaskedHead,
    hidden: Sequence[Hidden],
    *,
    budget: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Floats:
    """The log-probability of each hidden token, in nats, [texts].

    Args:
        model: the encoder, in evaluation mode.
        head: of its checkpoint.
        hidden: one at least.
        budget: tokens of a batch, padding included, at most.
        progress: told how many are done.
    """
    found = np.zeros(len(hidden))
    output = OwnLogits(vocabulary=head.vocabulary)
    for places, logits in _logits(model, head, hidden, budget=budget, progress=progress):
        wanted = torch.tensor([hidden[place].token for place in places], device=logits.device)
        found[places] = -token_losses(logits, wanted, output).double().cpu().numpy()
    return found


@torch.inference_mode()
def likeliest(
    model: Classifier,
    head: MaskedHead,
    hidden: Sequence[Hidden],
    *,
    count: int,
    budget: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[tuple[list[int], list[float]]]:
    """The likeliest tokens in each hidden place, the likeliest first, with their log-probabilities in nats.

    Args:
        model: the encoder, in evaluation mode.
        head: of its checkpoint.
        hidden: one at least; what was there does not matter.
        count: tokens of each place.
        budget: tokens of a batch, padding included, at most.
        progress: told how many are done.
    """
    found: dict[int, tuple[list[int], list[float]]] = {}
    for places, logits in _logits(model, head, hidden, budget=budget, progress=progress):
        scores, tokens = logits.double().log_softmax(dim=-1).topk(min(count, head.vocabulary), dim=1)
        found |= zip(places, zip(tokens.tolist(), scores.tolist(), strict=True), strict=True)
    return [found[place] for place in range(len(hidden))]


def _logits(
    model: Classifier,
    head: MaskedHead,
    hidden: Sequence[Hidden],
    *,
    budget: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[list[int], Tensor]]:
    """Batch by batch the places of some texts and the logits of what is hidden in them, [texts, vocabulary]."""
    done = 0
    for places in by_length([len(one.ids) for one in hidden], budget=budget):
        some = [hidden[place] for place in places]
        examples = [Example(one.ids, one.types, None) for one in some]
        batch = pad(model.tokenizer, examples, torch.zeros(len(some)), rows=places).to(model.module.device)
        states = hidden_states(model.module, batch.inputs)
        at = torch.tensor([one.place for one in some], device=states.device)
        yield places, head(states[torch.arange(len(some), device=states.device), at])
        done += len(places)
        progress(done)
