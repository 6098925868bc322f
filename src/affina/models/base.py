"""The base model's own tensors, as they were before any training: what `disabled()` swaps in.

They are read by loading the model a second time, which takes its memory once more: only transformers knows which
tensor of a file becomes which parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from affina.models.classifier import Classifier, load_classifier


def base_tensors(classifier: Classifier) -> Mapping[str, Tensor]:
    """The parameters of the base model by name, read again from its files; a new head's are random and mean nothing.

    What a new head draws is not taken from the run's random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        return dict(load_classifier(classifier.source, classifier.head).module.named_parameters())


def width(classifier: Classifier) -> int:
    """The model's hidden size."""
    return int(classifier.module.config.get_text_config().hidden_size)
