"""A model that writes is stopped where it gives what is no number: the likeliest of those would be any token."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from transformers import LogitsProcessor

from affina.errors import NonFiniteError, Problem
from affina.models.source import Source


@final
class FiniteOnly(LogitsProcessor):  # type: ignore[misc]
    """Looks at the logits of each token that is written; what is masked out (minus infinity) is a number here.

    Args:
        source: of the model, for the error.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - transformers' signature
        """The logits as they are.

        Raises:
            NonFiniteError: one is no number, or no token has a finite one.
        """
        if bool(torch.isfinite(scores.amax(dim=-1)).all()):
            return scores
        raise NonFiniteError(
            Problem(
                where=f"model: {self._source.reference}",
                expected="finite numbers from the model for every token that it writes",
                found="infinity, or what is not a number",
                fix="use another model; where training made it so, train again with a lower train.learning_rate",
            )
        )
