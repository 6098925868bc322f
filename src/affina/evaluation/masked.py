"""How likely an encoder holds a token that it does not see: a text with one token hidden, many of them at once.

What is summed over which tokens is the caller's (Salazar et al. 2020 hide each token of a text in turn and call the sum
its pseudo-log-likelihood). This module loads no head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

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
    found, done = np.zeros(len(hidden)), 0
    output = OwnLogits(vocabulary=head.vocabulary)
    for places in by_length([len(one.ids) for one in hidden], budget=budget):
        some = [hidden[place] for place in places]
        examples = [Example(one.ids, one.types, None) for one in some]
        batch = pad(model.tokenizer, examples, torch.zeros(len(some)), rows=places).to(model.module.device)
        states = hidden_states(model.module, batch.inputs)
        at = torch.tensor([one.place for one in some], device=states.device)
        logits = head(states[torch.arange(len(some), device=states.device), at])
        wanted = torch.tensor([one.token for one in some], device=states.device)
        found[places] = -token_losses(logits, wanted, output).double().cpu().numpy()
        done += len(places)
        progress(done)
    return found
