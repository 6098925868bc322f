"""Texts as an encoder's mean last hidden states: what is compared of a model that only reads, whatever its head is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from affina.data.batching import by_length
from affina.data.rows import Row
from affina.evaluation.baselines import Floats, mean_features
from affina.evaluation.predictions import check_finite
from affina.models.classifier import Classifier
from affina.models.heads import hidden_states
from affina.tasks.base import Example
from affina.tasks.texts import pad, tokenize


def read_rows_of(model: Classifier, rows: Sequence[Row]) -> list[Example]:
    """Rows as the model reads them, without a target; what is beyond its limit is cut."""
    return tokenize(model.tokenizer, rows, [None] * len(rows), max_length=model.max_length)


@torch.inference_mode()
def mean_states(
    model: Classifier, examples: Sequence[Example], *, budget: int, progress: Callable[[int], None] = lambda _: None
) -> Floats:
    """The mean last hidden state of each text over its real tokens, [texts, width].

    Args:
        model: in evaluation mode.
        examples: one at least.
        budget: tokens of a batch, padding included, at most.
        progress: told how many are done.

    Raises:
        NonFiniteError: one is no number.
    """
    found: dict[int, Floats] = {}
    for places in by_length([len(example.ids) for example in examples], budget=budget):
        some = [examples[place] for place in places]
        batch = pad(model.tokenizer, some, torch.zeros(len(some)), rows=places).to(model.module.device)
        states = hidden_states(model.module, batch.inputs)
        features = mean_features(states, batch.inputs["attention_mask"]).double().cpu().numpy()
        found |= dict(zip(places, features, strict=True))
        progress(len(found))
    vectors = np.stack([found[place] for place in range(len(examples))])
    check_finite(vectors, None)
    return vectors
