"""Texts with what a model made of them before its training, and how far it has moved from that since.

Of a model that writes, the next-token distribution at each position of a text: kept are the last states and the output
layer, of which it is made again, whole. Of a model that only reads, the direction of a text's mean last state: that is
what says which texts are alike. Both are exactly what the model made of them, and kept in the machine's own memory.

Owns the two distances. Which texts there are, and how much a distance counts, is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor
from torch.nn import functional

from affina.data.batching import by_length
from affina.models.classifier import Classifier
from affina.models.heads import hidden_states
from affina.models.language import LanguageModel
from affina.models.output_layer import LinearOutput
from affina.tasks.base import Batch, Example
from affina.tasks.divergence import copied, summed_divergence
from affina.tasks.lessons import Passage, Reading
from affina.tasks.lines import Lines
from affina.tasks.texts import pad
from affina.tasks.token_loss import IGNORED


class Held(Protocol):
    """Texts that a model is held to."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens that are read of each."""
        ...

    @property
    def weights(self) -> Sequence[int]:
        """Of each, what its part of `apart` is divided by: its tokens with a distribution, or 1."""
        ...

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        ...

    def apart(self, places: Sequence[int]) -> Tensor:
        """How far the model as it is has moved on these texts, summed, with a graph."""
        ...


@final
class HeldTokens:
    """What a model that writes foretold at each position: `Held`, by KL(base || tuned) in nats.

    Args:
        model: as it came, in evaluation mode.
        reading: how it reads.
        passages: texts of which at least one token has a target.
        budget: tokens of a batch, padding included, at most.

    Raises:
        TypeError: the model makes its logits itself, of which a copy for each token would be too much.
    """

    def __init__(self, model: LanguageModel, reading: Reading, passages: Sequence[Passage], *, budget: int) -> None:
        if not isinstance(model.output, LinearOutput):
            raise TypeError("logits that the model makes itself are not kept")
        self._model, self._reading, self._passages = model, reading, tuple(passages)
        self.lengths = [len(passage) for passage in passages]
        self.weights = [passage.targets for passage in passages]
        self._base = copied(model.output)
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for places in by_length(self.lengths, budget=budget):
                states = _states(model, self._batch(places)).cpu()
                parts = torch.split(states, [self.weights[place] for place in places])
                found |= dict(zip(places, (part.clone() for part in parts), strict=True))
        self._states = [found[place] for place in range(len(passages))]

    @property
    def size(self) -> int:
        """Of the states, and of the output layer where it trains."""
        tensors = [*self._states]
        if isinstance(self._model.output, LinearOutput) and self._model.output.weight.requires_grad:
            tensors.append(self._base.weight)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def apart(self, places: Sequence[int]) -> Tensor:
        """The sum of the divergences over all their tokens."""
        output = self._model.output
        if not isinstance(output, LinearOutput):
            raise TypeError("logits that the model makes itself are not kept")
        tuned = _states(self._model, self._batch(places))
        base = torch.cat([self._states[place] for place in places]).to(tuned.device)
        return summed_divergence((base, self._base), (tuned, output))

    def _batch(self, places: Sequence[int]) -> Lines:
        lines = self._reading.collate([self._passages[place] for place in places], rows=places)
        return lines.to(self._model.module.device)


def _states(model: LanguageModel, lines: Lines) -> Tensor:
    """What foretells each token that has a target, text after text, [tokens, width]."""
    return model.states(lines.inputs)[lines.targets != IGNORED]


@final
class HeldDirections:
    """Where a model that only reads put each text: `Held`, by 1 minus the cosine of its mean last state to that before.

    Args:
        model: as it came, in evaluation mode.
        examples: the texts.
        budget: tokens of a batch, padding included, at most.
    """

    def __init__(self, model: Classifier, examples: Sequence[Example], *, budget: int) -> None:
        self._model, self._examples = model, tuple(examples)
        self.lengths = [len(example.ids) for example in examples]
        self.weights = [1] * len(examples)
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for places in by_length(self.lengths, budget=budget):
                found |= dict(zip(places, self._means(places).cpu(), strict=True))
        self._base = torch.stack([found[place] for place in range(len(examples))])

    @property
    def size(self) -> int:
        """Of the states."""
        return self._base.numel() * self._base.element_size()

    def apart(self, places: Sequence[int]) -> Tensor:
        """The sum over the texts."""
        tuned = self._means(places)
        base = self._base[list(places)].to(tuned)
        return (1 - functional.cosine_similarity(tuned, base, dim=-1)).sum()

    def _means(self, places: Sequence[int]) -> Tensor:
        """[texts, width], over the real tokens, in float32 or wider."""
        some = [self._examples[place] for place in places]
        batch: Batch = pad(self._model.tokenizer, some, torch.zeros(len(some)), rows=places)
        batch = batch.to(self._model.module.device)
        states = hidden_states(self._model.module, batch.inputs)
        states = states.to(torch.promote_types(states.dtype, torch.float32))
        real = batch.inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        return (states * real).sum(dim=1) / real.sum(dim=1)
