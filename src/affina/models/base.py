"""What the stages need of a model: to read texts with, to ask and be told, to train; and its tensors before training.

The base tensors are read by loading the model a second time, which takes its memory once more: only transformers knows
which tensor of a file becomes which parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from affina.models.anatomy import Anatomy
from affina.models.source import Source


class Reads(Protocol):
    """Anything that turns texts into tokens as a model does: a `Reader`, or any loaded model."""

    @property
    def tokenizer(self) -> Any:
        """The tokenizer (transformers), padding on the right."""
        ...

    @property
    def source(self) -> Source:
        """Where the model came from."""
        ...

    @property
    def max_length(self) -> int | None:
        """The longest input in tokens, special tokens included; None without a limit."""
        ...


class Tells(Reads, Protocol):
    """Anything that turns rows into tokens as a model that writes does: a `LanguageModel`, or a `WriterReader`."""

    @property
    def module(self) -> Any:
        """The transformers `PreTrainedModel`, for its configurations: it may have no weights."""
        ...

    @property
    def reads_apart(self) -> bool:
        """Whether an encoder reads the input and a decoder writes the answer."""
        ...


class Pretrained(Reads, Protocol):
    """A loaded model with its tokenizer: a `Classifier`, or a `LanguageModel`."""

    @property
    def module(self) -> Any:
        """The transformers `PreTrainedModel`."""
        ...

    @property
    def anatomy(self) -> Anatomy:
        """Which parameters are which part."""
        ...

    def again(self) -> Any:
        """The module read from its files once more; parameters that are in no file are random."""
        ...


def base_tensors(model: Pretrained) -> Mapping[str, Tensor]:
    """The parameters of the base model by name, read again from its files; a new head's are random and mean nothing.

    What a new head draws is not taken from the run's random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        return dict(model.again().named_parameters())


def width(model: Pretrained) -> int:
    """The model's hidden size."""
    return int(model.module.config.get_text_config().hidden_size)


def length_beside(longest: int | None, taken: int) -> int | None:
    """What a model's longest input leaves for a text where something else takes positions; None without a limit."""
    return None if longest is None else longest - taken
